use futures_util::StreamExt as _;
use proto::v1::check_response::Step;

use super::*;

/// The stages that are told, and the report.
async fn check(fabric: &Fabric) -> (Vec<String>, v1::CheckReport) {
    let mut steps = fabric.service.check(Request::new(v1::CheckRequest {})).await.unwrap().into_inner();
    let mut stages = Vec::new();
    while let Some(step) = steps.next().await {
        match step.unwrap().step.unwrap() {
            Step::Progress(progress) => {
                assert!(progress.done <= progress.total);
                if stages.last() != Some(&progress.stage) {
                    stages.push(progress.stage);
                }
            }
            Step::Report(report) => {
                assert!(steps.next().await.is_none(), "the report is the last message");
                return (stages, report);
            }
        }
    }
    panic!("no report");
}

async fn add_node(store: &Arc<dyn Store>, name: &str) {
    let mut node = k8s_openapi::api::core::v1::Node::default();
    node.metadata.name = Some(name.to_owned());
    store.put(Resource::Node(Box::new(node)), Precondition::Absent).await.unwrap();
}

#[tokio::test]
async fn a_sound_fabric_has_no_problems() {
    let (fabric, _) = Fabric::inhabited().await;
    for name in ["n1", "n2"] {
        add_node(&fabric.store, name).await;
    }
    let (stages, report) = check(&fabric).await;
    assert_eq!(stages, ["blocks", "handles", "endpoints", "affinities"]);
    assert_eq!(report.problems, []);
    assert_eq!(
        (report.pools, report.blocks, report.handles, report.allocations, report.nodes),
        (2, 3, 2, 3, 2)
    );
    assert!(report.revision > 0);
}

/// What the report says to release can be released just so.
#[tokio::test]
async fn a_leak_is_found_and_its_item_mends_it() {
    let (fabric, _) = Fabric::inhabited().await;
    for name in ["n1", "n2"] {
        add_node(&fabric.store, name).await;
    }
    let attributes = Attributes { interface: "eth0".into(), pod: "gone".into(), ..Attributes::default() };
    let wanted = vec![Wanted::Any(Family::V4)];
    let leak = Wish { handle: "net.gone.eth0".into(), attributes, wanted, ..Wish::default() };
    let leaked = fabric.first.assign(leak).await.unwrap();
    let (_, report) = check(&fabric).await;
    let [problem] = &report.problems[..] else { panic!("{:?}", report.problems) };
    assert_eq!(
        (problem.kind.as_str(), problem.subject.as_str()),
        ("leakedAddress", leaked[0].to_string().as_str())
    );
    assert!(problem.what.contains("net.gone.eth0"), "{}", problem.what);
    let items = vec![problem.release.clone().unwrap()];
    let request = v1::ReleaseRequest { handle: String::new(), items };
    let answer = fabric.service.release(Request::new(request)).await.unwrap().into_inner();
    assert_eq!((answer.released.len(), answer.refused.len()), (1, 0));
    assert_eq!(check(&fabric).await.1.problems, []);
}

/// Only one takes everything into memory at a time; a reader that goes away does not hold up the next.
#[tokio::test]
async fn a_reader_that_goes_away_is_forgotten() {
    let (fabric, _) = Fabric::inhabited().await;
    for _ in 0..3 {
        drop(fabric.service.check(Request::new(v1::CheckRequest {})).await.unwrap());
    }
    let (stages, report) = check(&fabric).await;
    assert!(!stages.is_empty() && report.allocations == 3);
}
