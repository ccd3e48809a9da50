//! What people write of routes: each text that is understood is shown as one that means the same.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use bgp::wire::{AsPath, Community, ExtendedCommunity, Family, LargeCommunity, NextHop, Origin, Role};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    shown_as_meant::<AsPath>(text);
    shown_as_meant::<Community>(text);
    shown_as_meant::<ExtendedCommunity>(text);
    shown_as_meant::<LargeCommunity>(text);
    shown_as_meant::<Family>(text);
    shown_as_meant::<NextHop>(text);
    shown_as_meant::<Origin>(text);
    shown_as_meant::<Role>(text);
});

fn shown_as_meant<T: FromStr + Display + Debug + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let shown = value.to_string();
        assert!(shown.parse::<T>().is_ok_and(|again| again == value), "{text:?} is shown as {shown:?}");
    }
}
