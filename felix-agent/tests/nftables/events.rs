//! Noticing others.

use felix_agent::dataplane::nftables::{Disturbance, Events, Nftables};
use policy::program::Program;

use crate::apply::first_table;
use crate::namespace::Namespace;
use crate::programs::example;

fn with_events(namespace: &Namespace, task: impl AsyncFnOnce(Nftables, Events) + Send) {
    namespace.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (program, interfaces) = example();
            let mut nftables = Nftables::open().unwrap();
            nftables.apply(&mut first_table(&program, &interfaces)).unwrap();
            let events = nftables.watch().unwrap();
            task(nftables, events).await;
        });
    });
}

#[test]
fn a_foreign_change_is_told_with_its_author_and_repaired() {
    for disturbance in
        ["delete table inet fabric", "flush ruleset", "add element inet fabric s14 { 6.6.6.6 }"]
    {
        let namespace = Namespace::new();
        with_events(&namespace, async |mut nftables, mut events| {
            namespace.nft(disturbance);
            let told = events.next().await.unwrap();
            assert_eq!(told, Disturbance { process: Some("nft".to_owned()) }, "{disturbance}");
            let (program, interfaces) = example();
            assert!(
                nftables.apply(&mut first_table(&program, &interfaces)).unwrap().disturbed,
                "{disturbance}"
            );
        });
    }
}

/// Both happen before the disturbance, so either would be told first.
#[test]
fn own_changes_and_other_tables_are_not_told() {
    let namespace = Namespace::new();
    with_events(&namespace, async |mut nftables, mut events| {
        nftables.apply(&mut first_table(&Program::default(), &Default::default())).unwrap();
        namespace.nft("add table inet other; add chain inet other fabric; add table ip fabric");
        let nothing = tokio::time::timeout(std::time::Duration::from_millis(50), events.next()).await;
        assert!(nothing.is_err(), "{nothing:?}");
        namespace.nft("delete chain inet fabric forward");
        assert_eq!(events.next().await.unwrap().process.as_deref(), Some("nft"));
    });
}
