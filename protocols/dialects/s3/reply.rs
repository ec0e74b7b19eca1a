//! Replies: documents, empty answers, and objects streamed out of the engine.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Response as HttpResponse, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use storage::objects::{BodyReader, ObjectStore};

use super::dialect::Owner;
use crate::body::{Body, BoxError, Response, empty, full};
use crate::fault::Fault;
use crate::service::BoxFuture;
use crate::wire::xml::Writer;

pub fn status(status: StatusCode) -> Response {
    let mut response = HttpResponse::new(empty());
    *response.status_mut() = status;
    response
}

/// 200 without a body.
pub fn ok() -> Response {
    status(StatusCode::OK)
}

pub fn no_content() -> Response {
    status(StatusCode::NO_CONTENT)
}

pub fn xml(document: String) -> Response {
    let length = document.len() as u64;
    let mut response = HttpResponse::new(full(document));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    headers.insert(CONTENT_LENGTH, length.into());
    response
}

/// The bytes of an object. Holds the engine open until the last one has left.
pub fn object(store: Arc<ObjectStore>, mut reader: BodyReader) -> Body {
    if let Some(bytes) = reader.whole() {
        return full(bytes);
    }
    let left = reader.remaining();
    ObjectBody { state: State::Idle(reader), left, _store: store }.boxed_unsync()
}

pub fn owner_fields(xml: &mut Writer, owner: &Owner) {
    xml.text("ID", &owner.id);
    xml.text_if("DisplayName", owner.display_name.as_deref());
}

pub fn owner_to_xml(xml: &mut Writer, name: &str, owner: &Owner) {
    xml.open(name);
    owner_fields(xml, owner);
    xml.close(name);
}

type Step = (BodyReader, Option<Result<Bytes, Fault>>);

enum State {
    Idle(BodyReader),
    Reading(BoxFuture<'static, Step>),
    Done,
}

struct ObjectBody {
    state: State,
    /// Bytes not yet sent.
    left: u64,
    _store: Arc<ObjectStore>,
}

impl http_body::Body for ObjectBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        loop {
            match std::mem::replace(&mut this.state, State::Done) {
                State::Done => return Poll::Ready(None),
                State::Idle(mut reader) => {
                    this.state = State::Reading(Box::pin(async move {
                        let piece = reader.next().await;
                        (reader, piece)
                    }));
                }
                State::Reading(mut step) => {
                    let Poll::Ready((reader, piece)) = step.as_mut().poll(task) else {
                        this.state = State::Reading(step);
                        return Poll::Pending;
                    };
                    return Poll::Ready(match piece {
                        None => None,
                        Some(Ok(bytes)) => {
                            this.left = this.left.saturating_sub(bytes.len() as u64);
                            this.state = State::Idle(reader);
                            Some(Ok(Frame::data(bytes)))
                        }
                        Some(Err(fault)) => {
                            // The status has gone out; only the log can hear of it, and the client of a broken body.
                            tracing::error!("object body: {fault}");
                            Some(Err(fault.into()))
                        }
                    });
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
