use super::*;

/// Arrivals a millisecond apart.
fn count(numbers: &[u64], sent: u64) -> Report {
    let mut arrivals = Arrivals::expecting(1_000);
    for (at, number) in (0_u64..).zip(numbers) {
        arrivals.arrive(*number, Duration::from_millis(at));
    }
    arrivals.report(sent)
}

#[test]
fn all_in_order_is_nothing_to_report() {
    let report = count(&[0, 1, 2, 3], 4);
    assert_eq!(report, Report { sent: 4, received: 4, longest_gap_ms: 1, ..Report::default() });
}

#[test]
fn the_missing_are_lost_wherever_they_are_missing() {
    assert_eq!(count(&[1, 2, 4], 6).lost, 3);
    assert_eq!(count(&[], 6).lost, 6);
    assert_eq!(count(&[], 6).longest_gap_ms, 0);
}

#[test]
fn a_late_packet_is_reordered_not_lost() {
    let report = count(&[0, 2, 3, 1, 4], 5);
    assert_eq!((report.reordered, report.lost, report.duplicated), (1, 0, 0));
    // Each that arrives after a later one counts: RFC 4737's Type-P-Reordered singleton.
    assert_eq!(count(&[3, 0, 1, 2], 4).reordered, 3);
}

#[test]
fn a_duplicate_counts_neither_as_received_nor_as_reordered() {
    let report = count(&[0, 1, 0, 2, 2], 3);
    assert_eq!((report.received, report.duplicated, report.reordered, report.lost), (3, 2, 0, 0));
}

#[test]
fn a_number_beyond_the_limit_is_nobodys() {
    let report = count(&[0, 1_000, u64::MAX, 1], 2);
    assert_eq!(report, Report { sent: 2, received: 2, longest_gap_ms: 3, ..Report::default() });
}

#[test]
fn the_longest_silence_is_kept() {
    let mut arrivals = Arrivals::expecting(64);
    for (number, at) in [(0, 10), (1, 11), (2, 250), (3, 251)] {
        arrivals.arrive(number, Duration::from_millis(at));
    }
    assert_eq!(arrivals.report(4).longest_gap_ms, 239);
}

#[test]
fn flows_add_up() {
    let sum = count(&[0, 1], 3).and(count(&[1, 0], 2));
    assert_eq!((sum.sent, sum.received, sum.lost, sum.reordered), (5, 4, 1, 1));
}
