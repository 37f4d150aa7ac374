//! The head of a request: what is known before its body is read.

use bytes::Bytes;
use http::request::Parts;

use super::query;
use crate::protocol::Request;
use crate::route::Labels;
use crate::{Limits, Named, ServiceError};

/// A request of which only the head has come.
///
/// Every service's module reads one with its function `head`, and from there all go the same way:
/// [`body_limit`](Self::body_limit) bounds the body, [`with_body`](Self::with_body) takes it and
/// names the operation, which then may be authorised and served.
#[derive(Debug)]
pub struct Head<'r, Op> {
    parts: &'r Parts,
    operation: Operation<'r, Op>,
}

#[derive(Debug)]
enum Operation<'r, Op> {
    /// The head names it.
    Known(Op, Labels<'r>),
    /// The body will, as one of this version of the service.
    InBody { version: &'static str },
}

impl<'r, Op: Named + Limits> Head<'r, Op> {
    pub(crate) fn of(operation: Op, parts: &'r Parts) -> Self {
        Self::with_labels(operation, Labels::default(), parts)
    }

    pub(crate) fn with_labels(operation: Op, labels: Labels<'r>, parts: &'r Parts) -> Self {
        Self {
            parts,
            operation: Operation::Known(operation, labels),
        }
    }

    pub(crate) fn in_body(version: &'static str, parts: &'r Parts) -> Self {
        Self {
            parts,
            operation: Operation::InBody { version },
        }
    }

    fn known(&self) -> Option<Op> {
        match self.operation {
            Operation::Known(operation, _) => Some(operation),
            Operation::InBody { .. } => None,
        }
    }

    /// How many bytes the body may have. A server stops reading there and answers
    /// [`Self::too_large`].
    #[must_use]
    pub fn body_limit(&self) -> usize {
        Op::body_limit(self.known(), &self.parts.headers)
    }

    /// The error for a body above [`Self::body_limit`].
    #[must_use]
    pub fn too_large(&self) -> ServiceError {
        Op::too_large(self.known(), &self.parts.headers)
    }

    /// The whole request, and its operation.
    ///
    /// # Errors
    /// 400 when the body names none.
    pub fn with_body(self, body: Bytes) -> Result<(Op, Request<'r>), ServiceError> {
        let (parts, found) = (self.parts, self.operation);
        let request = |labels| Request {
            parts,
            labels,
            body,
        };
        Ok(match found {
            Operation::Known(operation, labels) => (operation, request(labels)),
            Operation::InBody { version } => {
                let request = request(Labels::default());
                (query::operation(version, &request)?, request)
            }
        })
    }
}
