//! The program decides as the specification, and the explanation says so; and what that is worth.

use proptest::collection::vec;
use proptest::prelude::*;

use super::contract;
use crate::evaluate::evaluate;
use crate::scenario::random::{cases, packets, scenarios};

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn programs_decide_as_the_specification(
        scenario in scenarios(),
        packets in vec(packets(), 40),
    ) {
        let program = scenario.program();
        contract::check(&program);
        for packet in packets {
            let disagreement = scenario.disagreement(&program, &packet);
            prop_assert_eq!(disagreement, None, "program and specification, {:?}\n{}", packet, program);
        }
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn explanations_say_what_the_program_decides(
        scenario in scenarios(),
        packets in vec(packets(), 10),
    ) {
        let engine = scenario.engine();
        let program = scenario.program();
        for packet in packets {
            let evaluation = evaluate(&program, &packet);
            let explanation = engine.explain(&packet);
            prop_assert_eq!(explanation.verdict, evaluation.verdict());
            let decided: Vec<_> =
                evaluation.ends().map(|end| (end.direction, &end.endpoint, end.verdict())).collect();
            let explained: Vec<_> =
                explanation.directions.iter().map(|end| (end.direction, &end.endpoint, end.verdict)).collect();
            prop_assert_eq!(explained, decided);
        }
    }
}
