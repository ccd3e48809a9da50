use super::*;
use proptest::prelude::*;

#[test]
fn text_goes_both_ways() {
    for text in ["", "0-63", "4-63,0", "7", "9,3-5,1"] {
        assert_eq!(text.parse::<Ordinals>().unwrap().to_string(), text);
    }
    for text in ["x", "5-3", "1-", "70000", "1;2"] {
        assert!(text.parse::<Ordinals>().is_err(), "{text}");
    }
}

proptest! {
    /// The queue of runs behaves as a queue of numbers.
    #[test]
    fn behaves_as_a_plain_queue(size in 1u32..64, steps in prop::collection::vec((any::<bool>(), 0u16..70), 0..200)) {
        let mut oracle: VecDeque<Ordinal> = (0..u16::try_from(size).unwrap()).collect();
        let mut queue = Ordinals::ascending(size);
        let mut out = Vec::new();
        for (take, which) in steps {
            if take {
                let there = oracle.iter().position(|ordinal| *ordinal == which);
                prop_assert_eq!(queue.take(which), there.is_some());
                if let Some(position) = there {
                    oracle.remove(position);
                    out.push(which);
                }
            } else if let Some(ordinal) = out.pop() {
                oracle.push_back(ordinal);
                queue.push(ordinal);
            }
            prop_assert_eq!(queue.front(), oracle.front().copied());
            prop_assert_eq!(queue.len() as usize, oracle.len());
            prop_assert_eq!(queue.iter().collect::<Vec<_>>(), oracle.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(queue.to_string().parse::<Ordinals>().unwrap().to_string(), queue.to_string());
        }
    }
}
