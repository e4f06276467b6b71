/// Bytes that are not the message they claim to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No API has this key. Kafka closes the connection.
    #[error("unknown API key {key}")]
    UnknownApi {
        /// The key in the header.
        key: i16,
    },
    /// The message type has no such version.
    #[error("{message} has no version {version}")]
    UnsupportedVersion {
        /// The message type.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A field ends behind the end of the message.
    #[error("field {field} ends behind the end of the message")]
    Truncated {
        /// The field's name.
        field: &'static str,
    },
    /// A length that no field can have: below -1, or null where null is not allowed.
    #[error("field {field} has the impossible length {length}")]
    InvalidLength {
        /// The field's name.
        field: &'static str,
        /// The length found.
        length: i64,
    },
    /// A variable-length integer of more than five bytes.
    #[error("field {field} is a varint of more than five bytes")]
    VarintTooLong {
        /// The field's name.
        field: &'static str,
    },
    /// Text that is not UTF-8.
    #[error("field {field} is not UTF-8")]
    NotUtf8 {
        /// The field's name.
        field: &'static str,
    },
    /// A tagged field whose content does not fill its announced size.
    #[error("tagged field {field} does not fill its announced size")]
    TaggedFieldSize {
        /// The field's name.
        field: &'static str,
    },
    /// Decoded, the message would take much more memory than its bytes (many tiny elements).
    #[error("the message of {wire_bytes} bytes would take more than {limit} bytes of memory")]
    Amplified {
        /// The size on the wire.
        wire_bytes: usize,
        /// The most that may be used for it.
        limit: usize,
    },
    /// Well laid out, but not what the message type allows, such as null where a value is needed.
    #[error("invalid {message}: {reason}")]
    Invalid {
        /// The message type.
        message: &'static str,
        /// The decoder's words.
        reason: String,
    },
}

/// A message that cannot be written in the version asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot encode {message} version {version}: {reason}")]
pub struct EncodeError {
    /// The message type.
    pub message: &'static str,
    /// The version asked for.
    pub version: i16,
    /// What does not fit, such as a field that is set but does not exist in that version.
    pub reason: String,
}
