//! What two OPENs make of a session: checks (RFC 4271 §6.2), timers (§4.2) and capabilities (RFC 5492).
//!
//! A capability counts where both ends sent it. Where a peer repeats one, what each RFC says holds: the last counts
//! (RFC 4724 §3, which the others are read like), and roles that differ are refused (RFC 9234 §4.2).
//!
//! Ends that have no family in common get no session: it could carry nothing, and a peering that is up without routes
//! hides the mistake. The peer is told by Unsupported Capability with the families that it lacks (RFC 5492 §5).

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::offer::Offer;
use crate::config::{RemoteAs, RoleConfig, Timers};
use crate::wire::code::{capability, error, open_error};
use crate::wire::{
    AddPathFamily, Capability, Codec, DecodeError, Family, FamilySet, GracefulRestart, LongLivedFamily,
    Notification, Open, Role,
};

/// RFC 9687 §5: the least that the send hold time is by default.
const LEAST_SEND_HOLD: Duration = Duration::from_secs(8 * 60);
/// RFC 4271 §4.4: KEEPALIVEs come no faster than this.
const LEAST_KEEPALIVE: Duration = Duration::from_secs(1);

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
    /// RFC 9494 capability to send; without families none is, nor without RFC 4724 (RFC 9494 §3.1).
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
    /// As configured, but at most a third of the hold time (RFC 4271 §10), before jitter.
    pub keepalive: Duration,
    /// As configured, else 8 min or twice the hold time, whichever is longer (RFC 9687 §5); zero for none.
    pub send_hold: Duration,
    /// Families that both ends carry.
    pub families: FamilySet,
    /// RFC 2918.
    pub route_refresh: bool,
    /// RFC 7313.
    pub enhanced_route_refresh: bool,
    /// What the peer said of its restarts, if both ends speak RFC 4724; it may name families that are not carried.
    pub graceful_restart: Option<GracefulRestart>,
    /// Both ends keep routes over NOTIFICATIONs (RFC 8538).
    pub notification: bool,
    /// What the peer said of long-lived restarts (RFC 9494), if both ends speak that; of families that both carry.
    pub long_lived: Vec<LongLivedFamily>,
    /// The peer's role, if it said one (RFC 9234); it fits ours, if we said one.
    pub role: Option<Role>,
    /// Our role, if we said one.
    pub local_role: Option<Role>,
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
        capabilities.extend([Capability::RouteRefresh, Capability::EnhancedRouteRefresh]);
        if self.extended_next_hop && self.families.contains(Family::Ipv4Unicast) {
            capabilities.push(Capability::ExtendedNextHop([Family::Ipv4Unicast].into_iter().collect()));
        }
        capabilities.extend(self.extended_messages.then_some(Capability::ExtendedMessage));
        capabilities.extend(self.role.map(|ours| Capability::Role(ours.role)));
        if let Some(restart) = &self.graceful_restart {
            capabilities.push(Capability::GracefulRestart(restart.clone()));
            if !self.long_lived.is_empty() {
                capabilities.push(Capability::LongLivedGracefulRestart(self.long_lived.clone()));
            }
        }
        capabilities.push(Capability::FourOctetAs(self.local_as));
        let add_path = self.several_paths();
        if !add_path.is_empty() {
            capabilities.push(Capability::AddPath(add_path));
        }
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
    /// The NOTIFICATION to send and why: wrong AS, bad BGP identifier, unacceptable hold time (RFC 4271 §6.2), roles
    /// that do not fit (RFC 9234 §4.2), no family in common (RFC 5492 §3).
    pub fn agree(&self, open: &Open) -> Result<Negotiated, DecodeError> {
        self.check(open)?;
        let theirs = Offer::of(open);
        let role = self.check_role(&theirs.roles)?;
        let families = self.common_families(theirs.families)?;
        let external = open.asn != self.local_as;
        let hold_time = self.timers.hold.min(Duration::from_secs(u64::from(open.hold_time_secs)));
        let graceful_restart = theirs.graceful_restart.filter(|_| self.graceful_restart.is_some());
        let notification =
            both(self.graceful_restart.as_ref(), graceful_restart.as_ref(), |one| one.notification);
        let ours = self.several_paths();
        let several_paths = |agreed| agreed_several_paths(families, &ours, &theirs.add_path, agreed);
        let long_lived = if graceful_restart.is_some() { theirs.long_lived } else { Vec::new() };
        let extended_next_hop = theirs.extended_next_hop.intersection(families).contains(Family::Ipv4Unicast);
        Ok(Negotiated {
            asn: open.asn,
            external,
            router_id: open.router_id,
            hold_time,
            keepalive: self.keepalive(hold_time),
            send_hold: self.send_hold(hold_time),
            families,
            route_refresh: theirs.route_refresh,
            enhanced_route_refresh: theirs.enhanced_route_refresh,
            graceful_restart,
            notification,
            long_lived: self.common_long_lived(families, &long_lived),
            role,
            local_role: self.role.map(|ours| ours.role),
            codec: Codec {
                four_octet_as: theirs.four_octet_as,
                external,
                extended_messages: self.extended_messages && theirs.extended_message,
                extended_next_hop: self.extended_next_hop && extended_next_hop,
                add_path_receive: several_paths(|ours, theirs| ours.receive && theirs.send),
                add_path_send: several_paths(|ours, theirs| ours.send && theirs.receive),
            },
            open: open.clone(),
        })
    }

    fn check(&self, open: &Open) -> Result<(), DecodeError> {
        let wanted = match self.remote_as {
            RemoteAs::Is(asn) => (open.asn == asn, format!("configured {asn}")),
            RemoteAs::Internal => {
                (open.asn == self.local_as, format!("configured internal, {}", self.local_as))
            }
            RemoteAs::External => {
                (open.asn != self.local_as, "which is ours; configured external".to_owned())
            }
            RemoteAs::Any => (true, String::new()),
        };
        if let (false, wanted) = wanted {
            return refuse(open_error::BAD_PEER_AS, format!("peer is AS {}, {wanted}", open.asn));
        }
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

    /// RFC 9234 §4.2. The peer's word counts only where we have a role: without one there is nothing to compare.
    fn check_role(&self, theirs: &[Role]) -> Result<Option<Role>, DecodeError> {
        let Some(ours) = self.role else { return Ok(theirs.last().copied()) };
        let wanted = ours.role.counterpart();
        match theirs.iter().find(|role| **role != wanted) {
            Some(wrong) => {
                let reason = format!("peer says it is {wrong}, but to a {} it has to be {wanted}", ours.role);
                refuse(open_error::ROLE_MISMATCH, reason)
            }
            None if theirs.is_empty() && ours.strict => refuse(
                open_error::ROLE_MISMATCH,
                format!("peer does not say that it is {wanted}, as strict mode demands"),
            ),
            None => Ok(theirs.first().copied()),
        }
    }

    fn common_families(&self, theirs: FamilySet) -> Result<FamilySet, DecodeError> {
        let common = self.families.intersection(theirs);
        if !common.is_empty() {
            return Ok(common);
        }
        let mut missing = BytesMut::new();
        for family in self.families.iter() {
            missing.put_slice(&[capability::MULTI_PROTOCOL, 4]);
            missing.put_u16(family.afi());
            missing.put_slice(&[0, family.safi()]);
        }
        let reason =
            format!("no family in common: we carry {}, the peer {}", list(self.families), list(theirs));
        let notification = Notification::new(error::OPEN, open_error::UNSUPPORTED_CAPABILITY, missing);
        Err(DecodeError { notification, reason })
    }

    /// What we say of RFC 7911; nothing of families with one path each way.
    fn several_paths(&self) -> Vec<AddPathFamily> {
        let several = |family: &&AddPathFamily| family.receive || family.send;
        self.add_path.iter().filter(several).copied().collect()
    }

    /// Of each family that both carry and keep so long, what the peer said last.
    fn common_long_lived(&self, families: FamilySet, theirs: &[LongLivedFamily]) -> Vec<LongLivedFamily> {
        let ours = |family: &Family| self.long_lived.iter().any(|one| one.family == *family);
        let said = |family| theirs.iter().rfind(|one| one.family == family).copied();
        families.iter().filter(ours).filter_map(said).collect()
    }

    /// What is agreed on stays; only our own timers are as proposed now.
    pub(super) fn pace(&self, negotiated: &mut Negotiated) {
        negotiated.keepalive = self.keepalive(negotiated.hold_time);
        negotiated.send_hold = self.send_hold(negotiated.hold_time);
    }

    fn keepalive(&self, hold_time: Duration) -> Duration {
        let third = hold_time / 3;
        match self.timers.keepalive.filter(|configured| !configured.is_zero()) {
            Some(configured) => configured.max(LEAST_KEEPALIVE).min(third),
            None => third,
        }
    }

    fn send_hold(&self, hold_time: Duration) -> Duration {
        self.timers.send_hold.unwrap_or_else(|| LEAST_SEND_HOLD.max(hold_time * 2))
    }
}

impl Negotiated {
    /// Capabilities that both ends sent, by name. What one end only receives and the other only sends is named from
    /// our side: "add-path ipv4-unicast receive".
    #[must_use]
    pub fn capability_names(&self) -> Vec<String> {
        let for_each = |name: &str, families: FamilySet, end: &str| -> Vec<String> {
            families.iter().map(|family| format!("{name} {family}{end}")).collect()
        };
        let mut names = if self.open.capabilities.iter().any(super::offer::is_multi_protocol) {
            for_each("multiprotocol", self.families, "")
        } else {
            Vec::new()
        };
        let roles = self.local_role.is_some() && self.role.is_some();
        let others = [
            (self.route_refresh, "route-refresh"),
            (self.enhanced_route_refresh, "enhanced-route-refresh"),
            (self.codec.extended_messages, "extended-message"),
            (roles, "role"),
            (self.codec.four_octet_as, "four-octet-as"),
            (self.graceful_restart.is_some(), "graceful-restart"),
            (self.notification, "graceful-restart notification"),
        ];
        names.extend(others.into_iter().filter(|(both, _)| *both).map(|(_, name)| name.to_owned()));
        if self.codec.extended_next_hop {
            names.push(format!("extended-next-hop {}", Family::Ipv4Unicast));
        }
        let long_lived = self.long_lived.iter().map(|one| one.family).collect();
        names.extend(for_each("long-lived-graceful-restart", long_lived, ""));
        names.extend(for_each("add-path", self.codec.add_path_receive, " receive"));
        names.extend(for_each("add-path", self.codec.add_path_send, " send"));
        names
    }
}

/// Families of which both ends said what `agreed` asks for; of several words, the last counts.
fn agreed_several_paths(
    families: FamilySet,
    ours: &[AddPathFamily],
    theirs: &[AddPathFamily],
    agreed: fn(&AddPathFamily, &AddPathFamily) -> bool,
) -> FamilySet {
    let last = |list: &[AddPathFamily], family| list.iter().rfind(|one| one.family == family).copied();
    let both = |family: &Family| last(ours, *family).zip(last(theirs, *family));
    families
        .iter()
        .filter(|family| both(family).is_some_and(|(ours, theirs)| agreed(&ours, &theirs)))
        .collect()
}

fn both<T>(ours: Option<&T>, theirs: Option<&T>, said: fn(&T) -> bool) -> bool {
    ours.is_some_and(said) && theirs.is_some_and(said)
}

fn refuse<T>(subcode: u8, reason: String) -> Result<T, DecodeError> {
    Err(DecodeError { notification: Notification::new(error::OPEN, subcode, Bytes::new()), reason })
}

fn list(families: FamilySet) -> String {
    let names: Vec<_> = families.iter().map(|family| family.to_string()).collect();
    if names.is_empty() { "none that we know".to_owned() } else { names.join(" and ") }
}
