use super::{MESSAGE_BYTES, plan_import};

fn sizes(lines: &[usize]) -> Vec<usize> {
    let lines: Vec<String> = lines.iter().map(|length| "x".repeat(*length)).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let requests = plan_import(&lines, true, false);
    assert!(requests.iter().all(|request| request.overwrite && !request.dry_run));
    assert_eq!(
        requests.iter().flat_map(|request| &request.lines).collect::<Vec<_>>(),
        lines,
        "all, in order"
    );
    requests.iter().map(|request| request.lines.len()).collect()
}

#[test]
fn messages_are_filled_and_not_overfilled() {
    let half = MESSAGE_BYTES / 2;
    let table = [
        (&[10][..], &[1][..]),
        (&[half, half, 1], &[2, 1]),
        (&[1, half, half], &[2, 1]),
        // What fits in no message goes alone.
        (&[1, MESSAGE_BYTES * 2, 1], &[1, 1, 1]),
        (&[MESSAGE_BYTES + 1], &[1]),
    ];
    for (lines, expected) in table {
        assert_eq!(sizes(lines), expected, "{lines:?}");
    }
}
