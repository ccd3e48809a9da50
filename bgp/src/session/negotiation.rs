//! What two OPENs make of a session: checks (RFC 4271 §6.2), timers (§4.2) and capabilities (RFC 5492).

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;

use crate::config::{RemoteAs, RoleConfig, Timers};
use crate::wire::code::{self, error, open_error};
use crate::wire::{
    AddPathFamily, Capability, Codec, DecodeError, Family, FamilySet, GracefulRestart, LongLivedFamily,
    Notification, Open, Role,
};

/// What this speaker brings to a session with one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The AS that we say we are in: the speaker's, or the peer's setting of another.
    pub local_as: u32,
    /// Our BGP identifier.
    pub router_id: Ipv4Addr,
    /// Which AS the peer may be in; "internal" is `local_as`.
    pub remote_as: RemoteAs,
    /// Ours; the smaller of both ends' counts. Keepalive and send hold time as configured.
    pub timers: Timers,
    /// Families to carry.
    pub families: FamilySet,
    /// RFC 4724 capability to send; none if switched off.
    pub graceful_restart: Option<GracefulRestart>,
    /// RFC 9494 capability to send; without families none is.
    pub long_lived: Vec<LongLivedFamily>,
    /// RFC 7911 capability to send; without families none is.
    pub add_path: Vec<AddPathFamily>,
    /// RFC 9234.
    pub role: Option<RoleConfig>,
    /// Offer RFC 8654.
    pub extended_messages: bool,
    /// Offer RFC 8950.
    pub extended_next_hop: bool,
}

/// What both ends agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// The peer's AS.
    pub asn: u32,
    /// It is not ours.
    pub external: bool,
    /// The peer's BGP identifier.
    pub router_id: Ipv4Addr,
    /// Zero: neither hold timer nor KEEPALIVEs (RFC 4271 §4.2).
    pub hold_time: Duration,
    /// As configured or a third of the hold time (RFC 4271 §10), before jitter.
    pub keepalive: Duration,
    /// RFC 9687; zero for none.
    pub send_hold: Duration,
    /// Families that both ends carry.
    pub families: FamilySet,
    /// RFC 2918.
    pub route_refresh: bool,
    /// RFC 7313.
    pub enhanced_route_refresh: bool,
    /// What the peer said of its restarts, if both ends speak RFC 4724.
    pub graceful_restart: Option<GracefulRestart>,
    /// Both ends keep routes over NOTIFICATIONs (RFC 8538).
    pub notification: bool,
    /// What the peer said of long-lived restarts (RFC 9494), if both ends speak that; of families that both carry.
    pub long_lived: Vec<LongLivedFamily>,
    /// The peer's role, if it said one (RFC 9234).
    pub role: Option<Role>,
    /// How UPDATEs are read and written: what is in it has been agreed on.
    pub codec: Codec,
    /// Everything that the peer's OPEN said, for people and for BMP.
    pub open: Open,
}

impl Proposal {
    /// Our OPEN.
    #[must_use]
    pub fn open(&self) -> Open {
        let mut capabilities: Vec<_> = self.families.iter().map(Capability::MultiProtocol).collect();
        capabilities.push(Capability::RouteRefresh);
        capabilities.extend(self.graceful_restart.clone().map(Capability::GracefulRestart));
        capabilities.push(Capability::FourOctetAs(self.local_as));
        Open {
            asn: self.local_as,
            hold_time_secs: u16::try_from(self.timers.hold.as_secs()).unwrap_or(u16::MAX),
            router_id: self.router_id,
            capabilities,
        }
    }

    /// Agrees with the peer's OPEN.
    ///
    /// # Errors
    /// RFC 4271 §6.2: wrong AS, bad BGP identifier, unacceptable hold time; the NOTIFICATION to send and why.
    pub fn agree(&self, open: &Open) -> Result<Negotiated, DecodeError> {
        self.check(open)?;
        let offered = |wanted: fn(&Capability) -> bool| open.capabilities.iter().any(wanted);
        let hold_time = self.timers.hold.min(Duration::from_secs(u64::from(open.hold_time_secs)));
        let four_octet_as = offered(|capability| matches!(capability, Capability::FourOctetAs(_)));
        let graceful_restart =
            self.graceful_restart.as_ref().and_then(|_| open.capabilities.iter().find_map(restart));
        let external = open.asn != self.local_as;
        Ok(Negotiated {
            asn: open.asn,
            external,
            router_id: open.router_id,
            hold_time,
            keepalive: hold_time / 3,
            send_hold: Duration::ZERO,
            families: common_families(self.families, &open.capabilities),
            route_refresh: offered(|capability| matches!(capability, Capability::RouteRefresh)),
            enhanced_route_refresh: false,
            graceful_restart,
            notification: false,
            long_lived: Vec::new(),
            role: None,
            codec: Codec { four_octet_as, external, ..Codec::default() },
            open: open.clone(),
        })
    }

    fn check(&self, open: &Open) -> Result<(), DecodeError> {
        let refuse = |subcode, reason| {
            let notification = Notification::new(error::OPEN, subcode, Bytes::new());
            Err(DecodeError { notification, reason })
        };
        if open.router_id.is_unspecified() {
            return refuse(open_error::BAD_BGP_IDENTIFIER, "the peer's BGP identifier is 0.0.0.0".to_owned());
        }
        // RFC 6286 §2.2: identifiers are unique within an AS only.
        if open.asn == self.local_as && open.router_id == self.router_id {
            let reason = format!("the internal peer's BGP identifier is ours, {}", self.router_id);
            return refuse(open_error::BAD_BGP_IDENTIFIER, reason);
        }
        if matches!(open.hold_time_secs, 1 | 2) {
            let reason = format!("hold time of {} s is neither 0 nor at least 3", open.hold_time_secs);
            return refuse(open_error::UNACCEPTABLE_HOLD_TIME, reason);
        }
        Ok(())
    }
}

impl Negotiated {
    /// Capabilities that both ends sent, by name.
    #[must_use]
    pub fn capability_names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.families.iter().map(|family| format!("multiprotocol {family}")).collect();
        let others = [
            (self.route_refresh, "route-refresh"),
            (self.graceful_restart.is_some(), "graceful-restart"),
            (self.codec.four_octet_as, "four-octet-as"),
        ];
        names.extend(others.into_iter().filter(|(both, _)| *both).map(|(_, name)| name.to_owned()));
        names
    }
}

/// RFC 4760 §8: a peer without the capability carries IPv4 unicast and nothing else.
fn common_families(ours: FamilySet, theirs: &[Capability]) -> FamilySet {
    let mut offered: FamilySet = theirs.iter().filter_map(multi_protocol).collect();
    if !theirs.iter().any(is_multi_protocol) {
        offered.insert(Family::Ipv4Unicast);
    }
    ours.intersection(offered)
}

/// Also true of families that we do not know: the peer speaks RFC 4760 then.
fn is_multi_protocol(capability: &Capability) -> bool {
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

fn multi_protocol(capability: &Capability) -> Option<Family> {
    if let Capability::MultiProtocol(family) = capability { Some(*family) } else { None }
}

fn restart(capability: &Capability) -> Option<GracefulRestart> {
    if let Capability::GracefulRestart(restart) = capability { Some(restart.clone()) } else { None }
}
