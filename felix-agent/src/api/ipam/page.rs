//! Pages of lists: how long they are, and where the next one begins.
//!
//! A token is the place of the last item in the order of the list, in text. It says nothing of when the list was begun, so
//! it stays good whatever changes meanwhile, and in the agent's next life: what was there all the time is listed once.

use std::fmt::Display;
use std::str::FromStr;

use tonic::Status;

use crate::api::failure;

/// Items of a page, unless fewer are asked for: well below what a message may hold.
const SIZE: u32 = 1000;

/// Where a list goes on; `None` at its beginning.
pub(super) fn after<P: FromStr>(token: &str) -> Result<Option<P>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let place = token.parse().map_err(|_| {
        failure::field("page_token", format!("\"{token}\" is from no page of this list; begin without one"))
    })?;
    Ok(Some(place))
}

/// The next page of a list, and its token: empty if it is the last.
pub(super) fn take<T, P: Display>(
    items: impl Iterator<Item = T>,
    size: u32,
    place: impl Fn(&T) -> P,
) -> (Vec<T>, String) {
    let size = if size == 0 { SIZE } else { size.min(SIZE) };
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let mut items = items.fuse();
    let page: Vec<T> = items.by_ref().take(size).collect();
    let is_last = page.len() < size || items.next().is_none();
    let token = if is_last {
        String::new()
    } else {
        page.last().map_or(String::new(), |last| place(last).to_string())
    };
    (page, token)
}
