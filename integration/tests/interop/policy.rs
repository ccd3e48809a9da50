//! What two ASes are to each other: roles (RFC 9234), and an AS in its own path.

use anyhow::ensure;
use bgp::config::{LocalAs, RoleConfig};
use bgp::session::State;
use bgp::wire;
use integration::router::{Family, Kind, Role};

use crate::pair::{EXTERNAL, OURS, Pair, Setting, THEIRS};
use crate::wait_until;

fn with_roles(kind: Kind, theirs: Role, ours: wire::Role) -> Pair {
    let mut setting = Setting::new(kind, EXTERNAL, false);
    setting.neighbour.role = Some(theirs);
    setting.peer.role = Some(RoleConfig { role: ours, strict: true });
    Pair::start(setting)
}

/// A customer of ours: what it is told is marked.
fn roles(kind: Kind) {
    let pair = with_roles(kind, Role::Customer, wire::Role::Provider);
    pair.wait_exchanged();
    let told =
        pair.ours().route(bgp::speaker::Table::AdjRibOut, Some(pair.key()), OURS.networks()[0]).unwrap();
    let told = &told.unwrap().paths[0].attributes;
    assert_eq!(told.only_to_customer, Some(EXTERNAL[0]), "{told:?}");
    // Our provider: what it tells us is marked, by it or by us.
    let pair = with_roles(kind, Role::Provider, wire::Role::Customer);
    pair.wait_exchanged();
    let path = pair.path(THEIRS.networks()[0]).unwrap();
    assert_eq!(path.attributes.only_to_customer, Some(EXTERNAL[1]), "{path:?}");
}

with_each!(roles: bird Bird, frr Frr, openbgpd OpenBgpd);

/// Two that both say they are the provider do not get along (RFC 9234 §4.2).
fn role_mismatch(kind: Kind) {
    let pair = with_roles(kind, Role::Provider, wire::Role::Provider);
    wait_until("the session is refused, and why is shown", || {
        let peer = pair.ours().peer(&pair.key())?;
        ensure!(peer.state != State::Established, "{peer:?}");
        ensure!(peer.last_down_reason.to_lowercase().contains("role"), "{peer:?}");
        ensure!(pair.router.ensure_established(pair.here()).is_err(), "the router thinks it stands");
        Ok(())
    });
}

with_each!(role_mismatch: bird Bird, frr Frr, openbgpd OpenBgpd);

/// We pretend to be in another AS towards this peer.
fn local_as(kind: Kind) {
    for replace in [false, true] {
        let mut setting = Setting::new(kind, EXTERNAL, false);
        setting.peer.local_as = Some(LocalAs { asn: 65_099, replace });
        setting.neighbour.asn = 65_099;
        setting.neighbour.families = vec![Family::Ipv4];
        let pair = Pair::start(setting);
        pair.wait_exchanged();
        let theirs = pair.theirs(OURS.networks()[0]).unwrap();
        let expected: &[u32] = if replace { &[65_099] } else { &[65_099, EXTERNAL[0]] };
        assert_eq!(theirs.as_path, expected, "{theirs:?}");
        assert_eq!(pair.ours().peer(&pair.key()).unwrap().local_as, 65_099);
    }
}

with_each!(local_as: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd, exabgp ExaBgp);
