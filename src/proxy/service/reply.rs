//! Who answers a request, and what the answer's headers still need.

use http::Response;

use crate::policy::cors::ResponseCors;
use crate::policy::verdict::Refusal;
use crate::proxy::body::ResponseBody;
use crate::proxy::upstream::BackendBody;

/// Who answers a request.
pub(super) enum Answer {
    Backend(Response<BackendBody>),
    Ours(Response<ResponseBody>),
    Refused(Refusal),
}

/// An answer, and what its headers still need.
pub(super) struct Reply {
    pub(super) answer: Answer,
    pub(super) cors: ResponseCors,
    /// Of a refusal about tokens.
    pub(super) realm: Option<String>,
    /// A token came in the query: the answer is for nobody else.
    pub(super) private: bool,
}

impl Reply {
    pub(super) fn ours(response: Response<ResponseBody>, cors: ResponseCors) -> Self {
        Self {
            answer: Answer::Ours(response),
            cors,
            realm: None,
            private: false,
        }
    }

    pub(super) fn refused(refusal: Refusal, cors: ResponseCors) -> Self {
        Self {
            answer: Answer::Refused(refusal),
            cors,
            realm: None,
            private: false,
        }
    }
}
