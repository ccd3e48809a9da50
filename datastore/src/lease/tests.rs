use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::contract::lease::led;
use crate::{Precondition, SqliteStore};

#[tokio::test]
async fn what_others_wrote_beside_it_stays() {
    let directory = TempDir::new().unwrap();
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&directory.path().join("fabric.db")).await.unwrap());
    let mut lease = k8s_openapi::api::coordination::v1::Lease::default();
    lease.metadata.name = Some("gc".to_owned());
    lease.metadata.namespace = Some(NAMESPACE.to_owned());
    lease.metadata.labels = Some([("team".to_owned(), "net".to_owned())].into());
    let key = Key::namespaced(Kind::Lease, NAMESPACE, "gc");
    store.put(Resource::Lease(Box::new(lease)), Precondition::Absent).await.unwrap();
    let elector = Elector::start(Arc::clone(&store), "gc", "n1", Timing::default());
    led(&elector).await;
    assert!(elector.identity().starts_with("n1_"));
    let found = store.get(&key).await.unwrap().unwrap().resource;
    let Resource::Lease(lease) = &found else { panic!("{found:?}") };
    assert_eq!(found.labels().get("team"), Some(&"net"));
    let spec = lease.spec.as_ref().unwrap();
    assert_eq!(spec.holder_identity.as_deref(), Some(elector.identity()));
    assert!(spec.renew_time.is_some() && spec.acquire_time.is_some());
    elector.stop().await;
    let found = store.get(&key).await.unwrap().unwrap().resource;
    let Resource::Lease(lease) = &found else { panic!("{found:?}") };
    assert_eq!(lease.spec.as_ref().unwrap().holder_identity, None);
}

/// A store that is out of reach.
#[derive(Debug)]
struct Away;

impl Store for Away {
    fn get(&self, _: &Key) -> futures_util::future::BoxFuture<'_, Result<Option<Versioned>, Error>> {
        async { Err(Error::Unavailable("away".to_owned())) }.boxed()
    }

    fn list_page(
        &self,
        _: Kind,
        _: &crate::Query,
    ) -> futures_util::future::BoxFuture<'_, Result<crate::Page, Error>> {
        async { Err(Error::Unavailable("away".to_owned())) }.boxed()
    }

    fn commit(
        &self,
        _: Vec<Write>,
    ) -> futures_util::future::BoxFuture<'_, Result<Vec<crate::Revision>, crate::CommitError>> {
        let error = Error::Unavailable("away".to_owned());
        async { Err(crate::CommitError { index: 0, done: 0, error }) }.boxed()
    }

    fn is_atomic(&self) -> bool {
        false
    }

    fn watch(
        &self,
        _: crate::Revision,
    ) -> futures_util::future::BoxFuture<
        '_,
        Result<futures_util::stream::BoxStream<'static, Result<crate::Change, Error>>, Error>,
    > {
        async { Err(Error::Unavailable("away".to_owned())) }.boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_store_nobody_leads_and_it_can_be_stopped() {
    let elector = Elector::start(Arc::new(Away), "gc", "n1", Timing::default());
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(!elector.is_leader());
    assert_eq!(*elector.leadership().borrow(), Leadership::default());
    elector.stop().await;
}
