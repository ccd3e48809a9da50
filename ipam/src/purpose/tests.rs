use super::*;

#[test]
fn names_go_both_ways_and_others_are_refused() {
    for usage in Use::ALL {
        assert_eq!(usage.to_string().parse(), Ok(usage));
        assert_eq!(serde_json::to_string(&usage).unwrap(), format!("\"{usage}\""));
    }
    let error = "workload".parse::<Use>().unwrap_err().to_string();
    assert_eq!(
        error,
        "`workload` is nothing that addresses are used for; write Workload, Tunnel or LoadBalancer"
    );
}
