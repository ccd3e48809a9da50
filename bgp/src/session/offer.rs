//! What a peer's OPEN offers: its capabilities (RFC 5492), sorted by kind.

use crate::wire::{
    AddPathFamily, Capability, Family, FamilySet, GracefulRestart, LongLivedFamily, Open, Role, code,
};

/// Everything that one end offers.
#[derive(Debug, Default)]
pub(super) struct Offer {
    pub(super) families: FamilySet,
    pub(super) route_refresh: bool,
    pub(super) enhanced_route_refresh: bool,
    pub(super) extended_message: bool,
    pub(super) extended_next_hop: FamilySet,
    pub(super) four_octet_as: bool,
    pub(super) graceful_restart: Option<GracefulRestart>,
    pub(super) long_lived: Vec<LongLivedFamily>,
    pub(super) add_path: Vec<AddPathFamily>,
    /// Every one that was sent.
    pub(super) roles: Vec<Role>,
}

impl Offer {
    pub(super) fn of(open: &Open) -> Self {
        let mut offer = Self::default();
        for capability in &open.capabilities {
            offer.take(capability);
        }
        // RFC 4760 §8: a peer without the capability carries IPv4 unicast and nothing else.
        if !open.capabilities.iter().any(is_multi_protocol) {
            offer.families.insert(Family::Ipv4Unicast);
        }
        offer
    }

    /// One more; of those with a content that is not a set, the last counts.
    fn take(&mut self, capability: &Capability) {
        match capability {
            Capability::MultiProtocol(family) => _ = self.families.insert(*family),
            Capability::RouteRefresh => self.route_refresh = true,
            Capability::EnhancedRouteRefresh => self.enhanced_route_refresh = true,
            Capability::ExtendedMessage => self.extended_message = true,
            Capability::ExtendedNextHop(families) => {
                families.iter().for_each(|family| _ = self.extended_next_hop.insert(family));
            }
            Capability::FourOctetAs(_) => self.four_octet_as = true,
            Capability::GracefulRestart(restart) => self.graceful_restart = Some(restart.clone()),
            Capability::LongLivedGracefulRestart(families) => self.long_lived.clone_from(families),
            Capability::AddPath(families) => self.add_path.clone_from(families),
            Capability::Role(role) => self.roles.push(*role),
            Capability::Unknown { .. } => {}
        }
    }
}

/// Also true of families that we do not know: the peer speaks RFC 4760 then.
pub(super) fn is_multi_protocol(capability: &Capability) -> bool {
    match capability {
        Capability::MultiProtocol(_) | Capability::Unknown { code: code::capability::MULTI_PROTOCOL, .. } => {
            true
        }
        Capability::RouteRefresh
        | Capability::ExtendedNextHop(_)
        | Capability::ExtendedMessage
        | Capability::Role(_)
        | Capability::GracefulRestart(_)
        | Capability::FourOctetAs(_)
        | Capability::AddPath(_)
        | Capability::EnhancedRouteRefresh
        | Capability::LongLivedGracefulRestart(_)
        | Capability::Unknown { .. } => false,
    }
}
