//! Bounds that hold on every request, with the defaults of the resource's `limits`, `timeouts` and
//! `backend` fields (the fields themselves appear when they can be set).

use std::time::Duration;

/// The most a request head may take, in bytes; over it 431.
pub const HEADER_BYTES: usize = 60 * 1024;
/// The most header fields in a request; over it 431.
pub const HEADER_COUNT: usize = 100;
/// The longest request target, in bytes; over it 414.
pub const URI_BYTES: usize = 8 * 1024;
/// The most client connections at once per listener; further ones are refused.
pub const CONNECTIONS: usize = 10_000;
/// The most requests at once on one HTTP/2 connection.
pub const STREAMS: u32 = 100;
/// From the first byte of a head to its last.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a kept-alive connection may be silent.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
/// The longest silence inside a request body.
pub const BODY_PROGRESS_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest a client may leave our answer unread.
pub const WRITE_PROGRESS_TIMEOUT: Duration = Duration::from_secs(30);
/// From the end of a request, as the backend gets it, to the end of its answer.
pub const BACKEND_DEADLINE: Duration = Duration::from_secs(15);
/// How long connecting to the backend may take.
pub const BACKEND_CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a stream of the backend may be silent.
pub const BACKEND_IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a client's connection is used, give or take a tenth: then HTTP/2 says GOAWAY, HTTP/1
/// `Connection: close`, so that clients spread over pods that came later.
pub const CONNECTION_AGE: Duration = Duration::from_secs(30 * 60);
/// How long a draining proxy waits for requests in flight.
pub const DRAIN_GRACE: Duration = Duration::from_secs(30);
/// How long a key set is fresh (`jwt.jwksCacheDuration`).
pub const JWKS_CACHE_DURATION: Duration = Duration::from_secs(300);
/// How long keys may outlive an unreachable issuer (`jwt.maxKeyAge`).
pub const MAX_KEY_AGE: Duration = Duration::from_secs(24 * 3600);
/// Tolerance for `exp` and `nbf` (`jwt.clockSkew`).
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);
/// The longest a verified token is believed without verifying it again (`jwt.tokenCacheTtl`).
pub const TOKEN_CACHE_TTL: Duration = Duration::from_secs(300);
/// Verified tokens kept per worker (`jwt.tokenCacheSize`).
pub const TOKEN_CACHE_SIZE: usize = 1000;
/// The longest token that is cached, in bytes.
pub const TOKEN_CACHE_TOKEN_BYTES: usize = 4096;
