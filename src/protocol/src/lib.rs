//! The Kafka wire protocol as bytes: no socket, no clock, no file is read here.
//!
//! - [`ApiKey`] and [`ErrorCode`] are the protocol's two tables of numbers.
//! - [`decode_header`] takes the request header off a frame; [`decode_request`] and
//!   [`decode_response`] decode the message structs of [`messages`] after a layout walk has shown
//!   that no length in them is a lie (see [`layout`]).
//! - Produce and Fetch, the hot paths, have codecs of their own: [`produce`] and [`fetch`]. They
//!   borrow the records from the request and leave them out of the response's bytes, as [`Part`]s.

mod api_key;
mod decode;
mod encode;
mod error;
mod error_code;
pub mod fetch;
mod header;
pub mod layout;
pub mod produce;
mod response;
mod wire;

pub use api_key::{ApiKey, ApiVersionRange};
pub use decode::{decode_request, decode_response};
pub use encode::{encode_request, encode_response};
pub use error::{DecodeError, EncodeError};
pub use error_code::ErrorCode;
pub use header::{RequestHeader, decode_header, decode_response_header, put_response_header};
pub use response::{Part, ResponseBody};

/// Text that shares the bytes of the frame it was decoded from. Whoever keeps it longer than the
/// request should copy it, or it keeps the whole frame alive.
pub use kafka_protocol::protocol::StrBytes;

/// The structs of the cold APIs, one per request and response, all versions in one struct.
pub use kafka_protocol::messages;

/// The traits of [`messages`]: versions, API key, encoding. Decode with [`decode_request`] and
/// [`decode_response`], not with `Decodable` alone: that allocates what the sender announces.
pub use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request};
