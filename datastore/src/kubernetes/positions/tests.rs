use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[test]
fn the_slowest_decides() {
    let mut positions = Positions::new(&[Kind::Pod, Kind::Node], Revision(5));
    assert_eq!(positions.advance(Kind::Pod, Revision(9)), Revision(5));
    assert_eq!(positions.advance(Kind::Node, Revision(7)), Revision(7));
    // A watch that repeats does not go back.
    assert_eq!(positions.advance(Kind::Node, Revision(6)), Revision(7));
}

proptest! {
    /// Writes of three kinds, told by three watches in any interleaving, broken off anywhere: what was not
    /// told comes after where one is said to resume; and when all is told, that is the end.
    #[test]
    fn resuming_misses_nothing(writes in vec(0usize..3, 1..40), steps in vec(0usize..3, 0..60)) {
        let kinds = [Kind::Pod, Kind::Node, Kind::Lease];
        let head = Revision(writes.len() as u64);
        let of = |kind: usize| {
            let numbered = writes.iter().zip(1u64..).filter(move |(written, _)| **written == kind);
            numbered.map(|(_, revision)| Revision(revision)).collect::<Vec<_>>()
        };
        let mut untold: Vec<Vec<Revision>> = (0..3).map(of).collect();
        let mut positions = Positions::new(&kinds, Revision(0));
        let mut resume = Revision(0);
        for step in steps.into_iter().chain((0..3).flat_map(|kind| [kind; 41])) {
            // The next write of that kind; when there is none, a bookmark.
            let position = if untold[step].is_empty() { head } else { untold[step].remove(0) };
            let next = positions.advance(kinds[step], position);
            prop_assert!(next >= resume && next <= position);
            resume = next;
            prop_assert!(untold.iter().flatten().all(|missing| *missing > resume));
        }
        prop_assert_eq!(resume, head);
    }
}
