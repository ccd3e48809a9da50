use super::*;

#[test]
fn figures_are_those_of_the_sorted_samples() {
    let samples = || (1..=100).rev().map(f64::from);
    assert_eq!(median(samples()), Some(51.0));
    assert_eq!(sorted(samples()).pick(990), Some(100.0));
    assert_eq!(sorted(samples()).pick(1_000), Some(100.0));
    assert_eq!(sorted(samples()).pick(0), Some(1.0));
    assert_eq!(median([7.0]), Some(7.0));
    assert_eq!(median([]), None);
}

#[test]
fn durations_are_told_in_a_unit_that_fits() {
    let told = [0.000_001_5, 0.001_5, 0.099, 0.1, 12.0].map(duration);
    assert_eq!(told, ["1.5 µs", "1.50 ms", "99.00 ms", "0.100 s", "12.000 s"]);
}

#[test]
fn a_process_has_used_something() {
    let pid = std::process::id();
    assert!(read_cpu_secs(pid).is_ok_and(|secs| secs > 0.0));
    let resident = read_resident(pid);
    assert!(resident.as_ref().is_ok_and(|octets| *octets > 1e5), "{resident:?}");
    assert!(read_peak_mb(pid).is_ok_and(|mb| mb > 0.1));
}
