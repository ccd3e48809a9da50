use ::bgp::bfd;
use ::bgp::speaker::{Notice, NoticeKind};
use tokio::sync::broadcast::error::TryRecvError;

use super::{Fact, History, KEPT};

fn fact(peer: u8, state: bfd::State) -> Fact {
    let peer = ::bgp::config::PeerKey::Address([10, 0, 0, peer].into());
    Fact::Peer(Notice { peer, kind: NoticeKind::Bfd(state) })
}

#[test]
fn a_reader_gets_what_was_and_what_comes_each_once() {
    let history = History::default();
    history.note(fact(1, bfd::State::Up));
    let (past, mut coming) = history.follow();
    history.note(Fact::Synchronised);
    assert_eq!(past.into_iter().map(|dated| dated.fact).collect::<Vec<_>>(), [fact(1, bfd::State::Up)]);
    assert_eq!(coming.try_recv().map(|dated| dated.fact), Ok(Fact::Synchronised));
    assert_eq!(coming.try_recv().map(|dated| dated.fact), Err(TryRecvError::Empty));
}

#[test]
fn memory_is_bounded_and_a_slow_reader_is_told() {
    let history = History::default();
    let (_, mut slow) = history.follow();
    for _ in 0..KEPT {
        history.note(fact(1, bfd::State::Down));
    }
    history.note(fact(2, bfd::State::Up));
    let (past, _) = history.follow();
    assert_eq!(past.len(), KEPT);
    assert_eq!(past.last().map(|dated| &dated.fact), Some(&fact(2, bfd::State::Up)), "the newest stay");
    assert!(matches!(slow.try_recv(), Err(TryRecvError::Lagged(1))), "one was lost to the slow one");
}
