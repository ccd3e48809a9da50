//! The fixed data of IPAM: two pools, blocks of two nodes, one address that is borrowed, and what does not fit.

use proto::v1::check_response::Step;
use proto::v1::*;

pub fn pools() -> ListPoolsResponse {
    let v4 = Pool {
        name: "default-v4".to_owned(),
        cidr: "10.65.0.0/16".to_owned(),
        block_size: 26,
        addresses_total: "65536".to_owned(),
        addresses_used: 20_000,
        blocks_total: "1024".to_owned(),
        blocks_used: 400,
        assignment_mode: "Automatic".to_owned(),
        allowed_uses: vec!["Workload".to_owned(), "Tunnel".to_owned()],
        addresses_reserved: "16384".to_owned(),
        addresses_cooling: 20,
        ..Pool::default()
    };
    let v6 = Pool {
        name: "default-v6".to_owned(),
        cidr: "fd65::/48".to_owned(),
        block_size: 122,
        disabled: true,
        addresses_total: "1208925819614629174706176".to_owned(),
        addresses_used: 3,
        blocks_total: "18889465931478580854784".to_owned(),
        blocks_used: 3,
        deleting: true,
        assignment_mode: "Manual".to_owned(),
        node_selector: "rack == 'a'".to_owned(),
        namespace_selector: "team == 'shop'".to_owned(),
        allowed_uses: vec!["LoadBalancer".to_owned()],
        addresses_reserved: "0".to_owned(),
        ..Pool::default()
    };
    ListPoolsResponse { pools: vec![v4, v6] }
}

pub fn utilisation() -> GetUtilisationResponse {
    let node = |node: &str, blocks, used, borrowed| NodeUtilisation {
        node: node.to_owned(),
        blocks,
        addresses_total: blocks * 64,
        addresses_used: used,
        addresses_borrowed: borrowed,
        addresses_standby: used / 12,
    };
    let [v4, v6] = <[Pool; 2]>::try_from(pools().pools).expect("two");
    GetUtilisationResponse {
        pools: vec![
            PoolUtilisation {
                pool: Some(v4),
                nodes: vec![node("node-1", 2, 97, 1), node("node-2", 1, 0, 0)],
            },
            PoolUtilisation { pool: Some(v6), nodes: vec![node("node-1", 0, 3, 3)] },
        ],
    }
}

pub fn blocks() -> Vec<Block> {
    let block = |cidr: &str, node: &str, state: &str, used| Block {
        cidr: cidr.to_owned(),
        node: node.to_owned(),
        pool: "default-v4".to_owned(),
        affinity_state: state.to_owned(),
        addresses_total: 64,
        addresses_used: used,
        ..Block::default()
    };
    vec![
        block("10.65.0.0/26", "node-1", "confirmed", 64),
        Block {
            addresses_borrowed: 1,
            addresses_cooling: 32,
            ..block("10.65.0.64/26", "node-2", "pending", 1)
        },
    ]
}

pub fn allocations() -> Vec<Allocation> {
    let allocation = |address: &str, handle: &str, namespace: &str, name: &str| Allocation {
        address: address.to_owned(),
        handle: handle.to_owned(),
        node: "node-1".to_owned(),
        block: "10.65.0.0/26".to_owned(),
        pool: "default-v4".to_owned(),
        pod_namespace: namespace.to_owned(),
        pod_name: name.to_owned(),
        ..Allocation::default()
    };
    vec![
        Allocation { sequence: 7, ..allocation("10.65.0.1", "node-1.tunnel", "", "") },
        allocation("10.65.0.2", "c1.eth0", "shop", "web-0"),
        Allocation {
            block: "10.65.0.64/26".to_owned(),
            borrowed_from: "node-2".to_owned(),
            sequence: 9,
            ..allocation("10.65.0.65", "c1.eth0", "shop", "web-0")
        },
    ]
}

pub fn events() -> Vec<AllocationEvent> {
    use allocation_event::Event;
    let [tunnel, pod, borrowed] = <[Allocation; 3]>::try_from(allocations()).expect("three");
    let all = [
        Event::Assigned(tunnel),
        Event::Assigned(borrowed),
        Event::Synchronised(Synchronised {}),
        Event::Released(pod),
    ];
    all.map(|event| AllocationEvent { event: Some(event) }).into()
}

pub fn problem(kind: &str, what: &str, remedy: &str) -> CheckProblem {
    let [kind, what, remedy] = [kind, what, remedy].map(str::to_owned);
    CheckProblem { kind, what, remedy, ..CheckProblem::default() }
}

pub fn leaked(address: &str, handle: &str, sequence: u64) -> CheckProblem {
    let item =
        ReleaseItem { address: address.to_owned(), handle: handle.to_owned(), sequence: Some(sequence) };
    CheckProblem {
        subject: address.to_owned(),
        release: Some(item),
        ..problem("leakedAddress", &format!("{address} is held by {handle}, which is gone"), "release it")
    }
}

pub fn report(problems: Vec<CheckProblem>) -> CheckReport {
    CheckReport {
        revision: 4711,
        pools: 2,
        blocks: 3,
        affinities: 4,
        handles: 5,
        allocations: 6,
        endpoints: 7,
        nodes: 8,
        problems,
        standby: 0,
    }
}

pub fn problems() -> Vec<CheckProblem> {
    vec![
        leaked("10.65.0.2", "c1.eth0", 0),
        CheckProblem {
            subject: "10.65.0.64/26".to_owned(),
            ..problem("goneNode", "10.65.0.64/26 belongs to node-2, which is gone", "")
        },
        leaked("10.65.0.65", "c0.eth0", 5),
    ]
}

pub fn check(problems: Vec<CheckProblem>) -> Vec<CheckResponse> {
    let progress =
        |stage: &str, done| Step::Progress(CheckProgress { stage: stage.to_owned(), done, total: 2000 });
    let steps = [
        progress("blocks", 0),
        progress("handles", 500),
        progress("handles", 2000),
        Step::Report(report(problems)),
    ];
    steps.map(|step| CheckResponse { step: Some(step) }).into()
}
