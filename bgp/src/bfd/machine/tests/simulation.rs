//! Two sessions on a virtual wire and virtual time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::Session;
use super::{ms, settings};
use crate::bfd::State;
use crate::bfd::packet::{Packet, diagnostic};
use crate::config::Bfd;

/// What becomes of a packet; drawn anew for each.
#[derive(Debug, Clone, Copy)]
struct Line {
    /// Share of packets lost, per mille.
    loss: u64,
    /// Shortest and longest way.
    delay: (Duration, Duration),
}

const CLEAN: Line = Line { loss: 0, delay: (Duration::from_micros(100), Duration::from_micros(300)) };

struct World {
    ends: [Session; 2],
    now: Instant,
    start: Instant,
    flying: BTreeMap<(Instant, u64), (usize, [u8; 24])>,
    /// From which end, or not at all.
    line: [Option<Line>; 2],
    random: u64,
    sent: u64,
    /// When, which end, its state and diagnostic.
    history: Vec<(Duration, usize, State, u8)>,
    last_arrival: [Instant; 2],
    last_delivery: [Instant; 2],
}

impl World {
    fn new(settings: [Bfd; 2], line: Line, seed: u64) -> Self {
        let now = Instant::now();
        Self {
            ends: [Session::new(&settings[0], 1, seed, now), Session::new(&settings[1], 2, !seed, now)],
            now,
            start: now,
            flying: BTreeMap::new(),
            line: [Some(line); 2],
            random: seed,
            sent: 0,
            history: Vec::new(),
            last_arrival: [now; 2],
            last_delivery: [now; 2],
        }
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below.max(1)
    }

    /// What an end wants to say goes on the line; what it has to report is written down.
    fn flush(&mut self, end: usize) {
        while let Some(packet) = self.ends[end].poll_transmit(self.now) {
            self.sent += 1;
            let Some(line) = self.line[end] else { continue };
            if self.draw(1000) < line.loss {
                continue;
            }
            let spread = u64::try_from((line.delay.1 - line.delay.0).as_micros()).unwrap();
            // Nothing overtakes: packets have no sequence number, and links keep the order.
            let arrival = self.now + line.delay.0 + Duration::from_micros(self.draw(spread));
            let arrival = arrival.max(self.last_arrival[end]);
            self.last_arrival[end] = arrival;
            self.flying.insert((arrival, self.sent), (1 - end, packet.encode()));
        }
        while let Some(report) = self.ends[end].poll_report() {
            self.history.push((self.now - self.start, end, report.state, report.diagnostic));
        }
    }

    fn run(&mut self, duration: Duration) {
        let until = self.now + duration;
        self.flush(0);
        self.flush(1);
        loop {
            let arrival = self.flying.first_key_value().map(|((at, _), _)| *at);
            let deadlines = self.ends.iter().filter_map(Session::deadline);
            let Some(next) = deadlines.chain(arrival).min().filter(|next| *next <= until) else { break };
            self.now = next.max(self.now);
            if arrival == Some(next) {
                let (_, (end, octets)) = self.flying.pop_first().unwrap();
                self.last_delivery[end] = self.now;
                self.ends[end].received(&Packet::decode(&octets).unwrap(), self.now);
                self.flush(end);
            }
            for end in 0..2 {
                self.ends[end].timers(self.now);
                self.flush(end);
            }
        }
        self.now = until;
    }

    fn both_up(&self) -> bool {
        self.ends.iter().all(|end| end.state() == State::Up)
    }

    fn downs(&self) -> usize {
        self.history.iter().filter(|(_, _, state, _)| *state == State::Down).count()
    }
}

#[test]
fn two_ends_come_up_in_a_round_trip_and_negotiate() {
    let mut world = World::new([settings(50, 3), settings(100, 5)], CLEAN, 1);
    world.run(ms(10));
    assert!(world.both_up(), "{:?}", world.history);
    world.run(ms(1000));
    assert_eq!(world.ends[0].transmit_interval(), Some(ms(100)));
    assert_eq!(world.ends[0].detection_time(), Some(ms(500)));
    assert_eq!(world.ends[1].detection_time(), Some(ms(300)));
    assert!(world.ends.iter().all(Session::is_settled));
}

#[test]
fn a_cut_is_noticed_in_multiplier_times_interval() {
    for (interval, multiplier) in [(50, 3), (10, 3), (300, 5), (50, 1)] {
        let mut world = World::new([settings(interval, multiplier); 2], CLEAN, interval);
        world.run(ms(20_000));
        assert!(world.both_up() && world.downs() == 0, "{:?}", world.history);
        world.line = [None; 2];
        world.run(Duration::ZERO);
        let heard = world.last_delivery;
        world.run(ms(interval * u64::from(multiplier)) + ms(1));
        for (at, end, state, reason) in &world.history[world.history.len() - 2..] {
            assert_eq!((*state, *reason), (State::Down, diagnostic::DETECTION_TIME_EXPIRED));
            let silence = world.start + *at - heard[*end];
            assert_eq!(silence, ms(interval * u64::from(multiplier)));
        }
    }
}

#[test]
fn one_way_failures_are_noticed_at_both_ends() {
    let mut world = World::new([settings(50, 3); 2], CLEAN, 5);
    world.run(ms(5_000));
    world.line[0] = None;
    world.run(ms(151));
    let last: Vec<_> =
        world.history.iter().rev().take(2).map(|(_, end, state, why)| (*end, *state, *why)).collect();
    assert!(last.contains(&(1, State::Down, diagnostic::DETECTION_TIME_EXPIRED)), "{last:?}");
    assert!(last.contains(&(0, State::Down, diagnostic::NEIGHBOR_SIGNALED_DOWN)), "{last:?}");
    world.run(ms(10_000));
    assert!(!world.both_up());
    world.line[0] = Some(CLEAN);
    world.run(ms(3_000));
    assert!(world.both_up(), "it comes back by itself");
}

#[test]
fn intervals_change_back_and_forth_on_the_living_session() {
    let line = Line { loss: 50, delay: (ms(1), ms(5)) };
    let mut world = World::new([settings(100, 6); 2], line, 9);
    world.run(ms(3_000));
    assert!(world.both_up());
    for interval in [50, 500, 20, 1000, 50] {
        world.ends[0].configure(&settings(interval, 6));
        world.run(ms(20_000));
        assert_eq!(world.ends[0].transmit_interval(), Some(ms(interval.max(100))));
        assert_eq!(world.ends[1].detection_time(), Some(ms(6 * interval.max(100))));
    }
    assert_eq!(world.downs(), 0, "{:?}", world.history);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Jitter and a way whose length varies by less than the slack of the detection time (a quarter of an interval at
    /// the least) never look like a failure.
    #[test]
    fn nothing_flaps_without_a_failure(
        seed: u64,
        intervals in [10_u64..500, 10_u64..500],
        multipliers in [2_u8..6, 2_u8..6],
        delay_micros in 0_u64..2_000,
        spread in 0_u64..9_000,
    ) {
        let least = Duration::from_micros(delay_micros);
        let line = Line { loss: 0, delay: (least, least + Duration::from_micros(spread)) };
        let both = [settings(intervals[0], multipliers[0]), settings(intervals[1], multipliers[1])];
        let mut world = World::new(both, line, seed);
        world.run(ms(10_000));
        prop_assert!(world.both_up());
        prop_assert_eq!(world.downs(), 0);
    }

    /// Single losses are what the multiplier is for; and whatever was lost, both ends agree again in the end.
    #[test]
    fn losses_are_survived_or_recovered_from(seed: u64, loss in 0_u64..400) {
        let line = Line { loss, delay: (Duration::from_micros(100), ms(3)) };
        let mut world = World::new([settings(50, 3); 2], line, seed);
        world.run(ms(10_000));
        world.line = [Some(CLEAN); 2];
        world.run(ms(5_000));
        prop_assert!(world.both_up(), "{:?}", world.history);
        prop_assert!(world.ends.iter().all(Session::is_settled));
        // 15 s at no more than 27 packets a second and end, and some for each change of state.
        let changes = u64::try_from(world.history.len()).unwrap();
        prop_assert!(world.sent <= 2 * 15 * 27 + 4 * changes + 20, "{} packets", world.sent);
    }
}
