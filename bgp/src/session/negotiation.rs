//! What two OPENs make of a session: checks (RFC 4271 §6.2), timers (§4.2) and capabilities (RFC 5492).

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;

use crate::wire::code::{self, error, open_error};
use crate::wire::{Capability, Codec, DecodeError, Family, GracefulRestart, Notification, Open};

/// What this speaker brings to a session with one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Our AS.
    pub local_as: u32,
    /// Our BGP identifier.
    pub router_id: Ipv4Addr,
    /// The AS that the peer is configured to have.
    pub remote_as: u32,
    /// Ours; the smaller of both ends' counts.
    pub hold_time: Duration,
    /// Families to carry.
    pub families: Vec<Family>,
    /// RFC 4724 capability to send; none if switched off.
    pub graceful_restart: Option<GracefulRestart>,
}

/// What both ends agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// The peer's BGP identifier.
    pub router_id: Ipv4Addr,
    /// Zero: neither hold timer nor KEEPALIVEs (RFC 4271 §4.2).
    pub hold_time: Duration,
    /// A third of the hold time (RFC 4271 §10), before jitter.
    pub keepalive: Duration,
    /// Families that both ends carry.
    pub families: BTreeSet<Family>,
    /// RFC 2918.
    pub route_refresh: bool,
    /// RFC 6793.
    pub four_octet_as: bool,
    /// What the peer said of its restarts, if both ends speak RFC 4724.
    pub graceful_restart: Option<GracefulRestart>,
    /// How UPDATEs are read and written.
    pub codec: Codec,
}

impl Proposal {
    /// Our OPEN.
    #[must_use]
    pub fn open(&self) -> Open {
        let mut capabilities: Vec<_> = self.families.iter().copied().map(Capability::MultiProtocol).collect();
        capabilities.push(Capability::RouteRefresh);
        capabilities.extend(self.graceful_restart.clone().map(Capability::GracefulRestart));
        capabilities.push(Capability::FourOctetAs(self.local_as));
        Open {
            asn: self.local_as,
            hold_time_secs: u16::try_from(self.hold_time.as_secs()).unwrap_or(u16::MAX),
            router_id: self.router_id,
            capabilities,
        }
    }

    /// Whether the peer is in our AS.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.local_as == self.remote_as
    }

    /// Agrees with the peer's OPEN.
    ///
    /// # Errors
    /// RFC 4271 §6.2: wrong AS, bad BGP identifier, unacceptable hold time; the NOTIFICATION to send and why.
    pub fn agree(&self, open: &Open) -> Result<Negotiated, DecodeError> {
        self.check(open)?;
        let offered = |wanted: fn(&Capability) -> bool| open.capabilities.iter().any(wanted);
        let hold_time = self.hold_time.min(Duration::from_secs(u64::from(open.hold_time_secs)));
        let four_octet_as = offered(|capability| matches!(capability, Capability::FourOctetAs(_)));
        let graceful_restart =
            self.graceful_restart.as_ref().and_then(|_| open.capabilities.iter().find_map(restart));
        Ok(Negotiated {
            router_id: open.router_id,
            hold_time,
            keepalive: hold_time / 3,
            families: common_families(&self.families, &open.capabilities),
            route_refresh: offered(|capability| matches!(capability, Capability::RouteRefresh)),
            four_octet_as,
            graceful_restart,
            codec: Codec { four_octet_as, external: !self.is_internal() },
        })
    }

    fn check(&self, open: &Open) -> Result<(), DecodeError> {
        let refuse = |subcode, reason| {
            let notification = Notification::new(error::OPEN, subcode, Bytes::new());
            Err(DecodeError { notification, reason })
        };
        if open.asn != self.remote_as {
            return refuse(
                open_error::BAD_PEER_AS,
                format!("peer is AS {}, configured {}", open.asn, self.remote_as),
            );
        }
        if open.router_id.is_unspecified() {
            return refuse(open_error::BAD_BGP_IDENTIFIER, "the peer's BGP identifier is 0.0.0.0".to_owned());
        }
        // RFC 6286 §2.2: identifiers are unique within an AS only.
        if self.is_internal() && open.router_id == self.router_id {
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
            (self.four_octet_as, "four-octet-as"),
        ];
        names.extend(others.into_iter().filter(|(both, _)| *both).map(|(_, name)| name.to_owned()));
        names
    }
}

/// RFC 4760 §8: a peer without the capability carries IPv4 unicast and nothing else.
fn common_families(ours: &[Family], theirs: &[Capability]) -> BTreeSet<Family> {
    let mut offered: BTreeSet<_> = theirs.iter().filter_map(multi_protocol).collect();
    if !theirs.iter().any(is_multi_protocol) {
        offered.insert(Family::Ipv4Unicast);
    }
    ours.iter().copied().filter(|family| offered.contains(family)).collect()
}

/// Also true of families that we do not know: the peer speaks RFC 4760 then.
fn is_multi_protocol(capability: &Capability) -> bool {
    match capability {
        Capability::MultiProtocol(_) | Capability::Unknown { code: code::capability::MULTI_PROTOCOL, .. } => {
            true
        }
        Capability::RouteRefresh
        | Capability::GracefulRestart(_)
        | Capability::FourOctetAs(_)
        | Capability::Unknown { .. } => false,
    }
}

fn multi_protocol(capability: &Capability) -> Option<Family> {
    if let Capability::MultiProtocol(family) = capability { Some(*family) } else { None }
}

fn restart(capability: &Capability) -> Option<GracefulRestart> {
    if let Capability::GracefulRestart(restart) = capability { Some(restart.clone()) } else { None }
}
