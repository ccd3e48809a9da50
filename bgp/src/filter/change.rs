//! Changing a route's attributes, copied only where something changes.

use std::borrow::Cow;

use super::{AnyCommunity, CommunityPattern};
use crate::wire::{AsPathSegment, Attributes, Origin};

/// Numbers that one segment of an AS path can count (RFC 4271 §4.3).
const MAX_SEGMENT: usize = 255;

pub(super) fn set_local_pref(attributes: &mut Cow<'_, Attributes>, value: u32) {
    if attributes.local_pref != Some(value) {
        attributes.to_mut().local_pref = Some(value);
    }
}

pub(super) fn set_med(attributes: &mut Cow<'_, Attributes>, value: Option<u32>) {
    if attributes.med != value {
        attributes.to_mut().med = value;
    }
}

pub(super) fn set_origin(attributes: &mut Cow<'_, Attributes>, value: Origin) {
    if attributes.origin != value {
        attributes.to_mut().origin = value;
    }
}

/// Whether any community of any kind matches.
pub(super) fn has_match(attributes: &Attributes, pattern: &CommunityPattern) -> bool {
    attributes.communities.iter().any(|one| pattern.matches_standard(*one))
        || attributes.extended_communities.iter().any(|one| pattern.matches_extended(*one))
        || attributes.large_communities.iter().any(|one| pattern.matches_large(*one))
}

fn has(attributes: &Attributes, community: AnyCommunity) -> bool {
    match community {
        AnyCommunity::Standard(one) => attributes.communities.contains(&one),
        AnyCommunity::Extended(one) => attributes.extended_communities.contains(&one),
        AnyCommunity::Large(one) => attributes.large_communities.contains(&one),
    }
}

/// Adds those that are not there, at the end.
pub(super) fn add(attributes: &mut Cow<'_, Attributes>, list: &[AnyCommunity]) {
    for community in list {
        if has(attributes, *community) {
            continue;
        }
        let attributes = attributes.to_mut();
        match *community {
            AnyCommunity::Standard(one) => attributes.communities.push(one),
            AnyCommunity::Extended(one) => attributes.extended_communities.push(one),
            AnyCommunity::Large(one) => attributes.large_communities.push(one),
        }
    }
}

/// Removes all that match any pattern.
pub(super) fn remove(attributes: &mut Cow<'_, Attributes>, patterns: &[CommunityPattern]) {
    if !patterns.iter().any(|pattern| has_match(attributes, pattern)) {
        return;
    }
    let attributes = attributes.to_mut();
    let stays = |matches: &dyn Fn(&CommunityPattern) -> bool| !patterns.iter().any(matches);
    attributes.communities.retain(|one| stays(&|pattern| pattern.matches_standard(*one)));
    attributes.extended_communities.retain(|one| stays(&|pattern| pattern.matches_extended(*one)));
    attributes.large_communities.retain(|one| stays(&|pattern| pattern.matches_large(*one)));
}

/// Removes all, then adds these.
pub(super) fn replace(attributes: &mut Cow<'_, Attributes>, list: &[AnyCommunity]) {
    let none = attributes.communities.is_empty()
        && attributes.extended_communities.is_empty()
        && attributes.large_communities.is_empty();
    if !none {
        let attributes = attributes.to_mut();
        attributes.communities.clear();
        attributes.extended_communities.clear();
        attributes.large_communities.clear();
    }
    add(attributes, list);
}

/// Puts an AS before the path, so many times. AS 0 is nobody, and a path with it malformed (RFC 7607 §2): it is left
/// out.
pub(super) fn prepend(attributes: &mut Cow<'_, Attributes>, asn: u32, times: u8) {
    let mut left = usize::from(times);
    if left == 0 || asn == 0 {
        return;
    }
    let segments = &mut attributes.to_mut().as_path.segments;
    if let Some(AsPathSegment::Sequence(asns)) = segments.first_mut() {
        let room = left.min(MAX_SEGMENT.saturating_sub(asns.len()));
        asns.splice(0..0, std::iter::repeat_n(asn, room));
        left -= room;
    }
    if left > 0 {
        segments.insert(0, AsPathSegment::Sequence(vec![asn; left]));
    }
}
