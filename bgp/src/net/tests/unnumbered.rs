//! A session over a link that has no addresses but link-local ones.

use super::lab::{self, Lab};
use super::{began, best_path, peer, speaker};
use crate::config::{Config, PeerKey, Secret};
use crate::wire::NextHop;

#[test]
fn peers_behind_an_interface_find_each_other_and_exchange_ipv4_routes() {
    let lab = Lab::pair();
    let side = |interface: &'static str, asn, id, other_as| {
        async move || {
            let mut behind = peer(other_as, 1790);
            behind.extended_next_hop = true;
            behind.password = Some(Secret("between us".into()));
            let peers = [(PeerKey::Interface(interface.into()), behind)].into();
            let (handle, mut events) = began("[::]:1790", Config { peers, ..speaker(asn, id) });
            let own = format!("10.{id}.0.0/16").parse().unwrap();
            handle.originate([(own, Default::default())].into()).await.unwrap();
            let prefix = format!("10.{}.0.0/16", 3 - id).parse().unwrap();
            let hops = best_path(&mut events, prefix).await.expect("a path");
            // The other end needs us a little longer.
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            (lab::link_local(interface), hops)
        }
    };
    let left = lab.left.run(side("left0", 65001, 1, 65002));
    let right = lab.right.run(side("right0", 65002, 2, 65001));
    let (left, right) = (left.join().unwrap(), right.join().unwrap());
    for ((_, hops), (neighbour, _), interface) in [(&left, &right, "left0"), (&right, &left, "right0")] {
        let [hop] = &hops.iter().collect::<Vec<_>>()[..] else { panic!("{hops:?}") };
        assert_eq!(hop.interface.as_deref(), Some(interface));
        let addresses = match hop.next_hop {
            NextHop::V6 { global, link_local } => [Some(global), link_local],
            NextHop::V4(_) => panic!("{hop:?}"),
        };
        assert!(addresses.contains(&Some(*neighbour)), "{hop:?} is not {neighbour}");
    }
}
