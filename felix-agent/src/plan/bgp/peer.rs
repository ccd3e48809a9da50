//! A neighbour of the file as the speaker wants it.

use std::time::Duration;

use ::bgp::config as speaker;
use ::bgp::wire;

use super::Filters;
use crate::config::Peer;
use crate::config::peer::{Beyond, Bfd, Family, FamilySettings, MaxPrefixes, NextHop, RoleName};
use crate::config::value::{Policy, RemoteAs, SendPaths};

/// Until a session that ended for too many prefixes is tried again, where nothing else is said.
const RESTART: Duration = Duration::from_secs(60);

pub(super) fn compile(written: &Peer, filters: &Filters) -> speaker::PeerConfig {
    let families = written.families.0.iter();
    speaker::PeerConfig {
        remote_as: match written.remote_as {
            RemoteAs::Is(asn) => speaker::RemoteAs::Is(asn),
            RemoteAs::Internal => speaker::RemoteAs::Internal,
            RemoteAs::External => speaker::RemoteAs::External,
            RemoteAs::Any => speaker::RemoteAs::Any,
        },
        local_as: written.local_as.map(|own| speaker::LocalAs { asn: own.asn, replace: own.replace }),
        shutdown: written.shutdown.clone(),
        port: written.port,
        local_address: written.local_address,
        passive: written.passive,
        hops: match (written.multihop, written.ttl_security) {
            (_, Some(hops)) => speaker::Hops::Security(hops),
            (Some(hops), None) => speaker::Hops::Multihop(hops),
            (None, None) => speaker::Hops::Usual,
        },
        password: written.password.as_ref().map(|password| password.0.clone()),
        timers: timers(written),
        families: families
            .map(|(family, settings)| (self::family(*family), self::settings(written, settings, filters)))
            .collect(),
        role: written
            .role
            .map(|role| speaker::RoleConfig { role: self::role(role.role), strict: role.strict }),
        route_reflector_client: written.route_reflector_client,
        allow_own_as: written.allow_own_as,
        as_override: written.as_override,
        next_hop: match written.next_hop {
            NextHop::Usual => speaker::NextHopMode::Usual,
            NextHop::Itself => speaker::NextHopMode::Itself,
            NextHop::Unchanged => speaker::NextHopMode::Unchanged,
        },
        // On an unnumbered link there is no other next hop than an IPv6 one.
        extended_next_hop: written.extended_next_hop.unwrap_or(written.interface.is_some()),
        extended_messages: written.extended_messages,
        graceful_restart: written.graceful_restart,
        bfd: written.bfd.map(|bfd| self::bfd(bfd, written.is_far())),
        cost: written.cost,
        description: written.description.clone(),
    }
}

pub(super) fn family(family: Family) -> wire::Family {
    match family {
        Family::Ipv4Unicast => wire::Family::Ipv4Unicast,
        Family::Ipv6Unicast => wire::Family::Ipv6Unicast,
    }
}

fn timers(written: &Peer) -> speaker::Timers {
    let seconds = |seconds: u16| Duration::from_secs(seconds.into());
    speaker::Timers {
        hold: seconds(written.hold_time_secs),
        keepalive: written.keepalive_secs.map(seconds),
        connect_retry: seconds(written.connect_retry_secs),
        send_hold: written.send_hold_time_secs.map(|time| Duration::from_secs(time.into())),
    }
}

fn settings(written: &Peer, settings: &FamilySettings, filters: &Filters) -> speaker::FamilyConfig {
    let [import, export] = written.policies(settings).map(|policy| self::policy(policy, filters));
    speaker::FamilyConfig {
        import,
        export,
        max_prefixes: settings.max_prefixes.map(max_prefixes),
        add_path_receive: settings.add_path.receive,
        add_path_send: match settings.add_path.send {
            SendPaths::Best => speaker::SendPaths::Best,
            SendPaths::Limit(limit) => speaker::SendPaths::Limit(limit),
            SendPaths::All => speaker::SendPaths::All,
        },
        long_lived_stale_time: Duration::from_secs(settings.long_lived_stale_time_secs.into()),
    }
}

fn policy(written: Option<&Policy>, filters: &Filters) -> speaker::Policy {
    match written {
        None => speaker::Policy::Unset,
        Some(Policy::All) => speaker::Policy::Accept,
        Some(Policy::None) => speaker::Policy::Reject,
        Some(Policy::Originated) => speaker::Policy::Originated,
        // A name of no filter does not come this far; nothing would pass.
        Some(Policy::Filter(name)) => {
            filters.get(name).cloned().map_or(speaker::Policy::Reject, speaker::Policy::Filter)
        }
    }
}

fn max_prefixes(written: MaxPrefixes) -> speaker::MaxPrefixes {
    let restart = written.restart_secs.map_or(RESTART, |seconds| Duration::from_secs(seconds.into()));
    speaker::MaxPrefixes {
        limit: written.limit,
        warn_percent: written.warn_percent,
        beyond: match written.beyond {
            Beyond::Warn => speaker::Beyond::Warn,
            Beyond::Idle => speaker::Beyond::Idle,
            Beyond::Restart => speaker::Beyond::Restart(restart),
        },
    }
}

fn role(role: RoleName) -> wire::Role {
    match role {
        RoleName::Provider => wire::Role::Provider,
        RoleName::Customer => wire::Role::Customer,
        RoleName::Peer => wire::Role::Peer,
        RoleName::RouteServer => wire::Role::RouteServer,
        RoleName::RouteServerClient => wire::Role::RouteServerClient,
    }
}

fn bfd(written: Bfd, is_multihop: bool) -> speaker::Bfd {
    speaker::Bfd {
        transmit_interval: Duration::from_millis(written.transmit_interval_ms.into()),
        receive_interval: Duration::from_millis(written.receive_interval_ms.into()),
        multiplier: written.multiplier,
        multihop: written.multihop.unwrap_or(is_multihop),
    }
}
