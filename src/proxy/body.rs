//! Bodies: the client's on its way to the backend, and what the client gets.

mod request;
mod response;

pub(super) use self::request::{LargeBody, RequestBody, RequestBodyError};
pub(super) use self::response::ResponseBody;
