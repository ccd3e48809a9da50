//! The service `Resources` of the fixture.

use proto::v1::resources_server::Resources;
use proto::v1::*;
use tonic::{Request, Response, Status, Streaming};

use crate::data;
use crate::fixture::{Answer, BoxStream, Service};

/// An export, a message each.
pub fn export() -> Vec<Vec<String>> {
    let messages = [
        &[
            r#"{"fabricExport":1,"revision":4711,"counts":{"IPPool":2,"Node":1}}"#,
            r#"{"kind":"IPPool","n":1}"#,
        ][..],
        &[r#"{"kind":"IPPool","n":2}"#],
        &[r#"{"kind":"Node","n":3}"#],
    ];
    messages.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect()).into()
}

#[tonic::async_trait]
impl Resources for Service {
    async fn apply(&self, request: Request<ApplyRequest>) -> Answer<ApplyResponse> {
        // A manifest that says so is wrong; the others are not.
        if request.get_ref().manifest.contains("wrong") {
            let file = &request.get_ref().file_name;
            let lines = format!(
                "{file}:3:1: spec.podSelecter: is unknown; did you mean \"podSelector\"?\n{file}:9:3: spec: is missing"
            );
            return Err(Status::invalid_argument(lines));
        }
        let is_remarkable = request.get_ref().manifest.contains("order");
        let remark =
            "GlobalNetworkPolicy deny: spec.order: GlobalNetworkPolicy other has the same".to_owned();
        let remarks = is_remarkable.then_some(remark).into_iter().collect();
        self.0.answer(request, ApplyResponse { results: data::applied(), remarks }).await
    }

    async fn get(&self, request: Request<GetRequest>) -> Answer<GetResponse> {
        let all = data::objects();
        let name = request.get_ref().name.clone();
        let objects = all.into_iter().filter(|object| object.contains(&name)).collect();
        self.0.answer(request, GetResponse { objects }).await
    }

    async fn delete(&self, request: Request<DeleteRequest>) -> Answer<DeleteResponse> {
        self.0.answer(request, DeleteResponse { results: data::deleted() }).await
    }

    type ExportStream = BoxStream<Result<ExportResponse, Status>>;

    async fn export(&self, request: Request<ExportRequest>) -> Answer<Self::ExportStream> {
        self.0.answer(request, ()).await?;
        let messages = self.0.export.lock().expect("lock").clone().unwrap_or_else(export);
        let messages = messages.into_iter().map(|lines| Ok(ExportResponse { lines }));
        let stream: Self::ExportStream = Box::pin(tokio_stream::iter(messages));
        Ok(Response::new(stream))
    }

    async fn import(&self, request: Request<Streaming<ImportRequest>>) -> Answer<ImportResponse> {
        let mut stream = request.into_inner();
        let is_deaf = *self.0.is_deaf.lock().expect("lock");
        if is_deaf {
            std::future::pending::<()>().await;
        }
        let mut messages = 0;
        let mut whole = ImportRequest::default();
        while let Some(ImportRequest { overwrite, lines, dry_run }) = stream.message().await? {
            if messages == 0 {
                (whole.overwrite, whole.dry_run) = (overwrite, dry_run);
            }
            messages += 1;
            whole.lines.extend(lines);
        }
        self.0.note(format!("{messages} x {whole:?}"));
        self.0.answer_noted(ImportResponse { created: 1, replaced: 0, unchanged: 2 }).await
    }
}
