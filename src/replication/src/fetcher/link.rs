//! A follower's connection to its leader: one request after the other, read and written by the one
//! task that fetches, so that an answer costs no hand-over.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use ottla_metadata::Endpoint;
use ottla_protocol::layout::Guarded;
use ottla_protocol::{
    ApiKey, DecodeError, EncodeError, Request, decode_response, decode_response_header,
    encode_request,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, lookup_host};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The image has no address of the leader.
    #[error("the leader's address on the listener {0} is not known")]
    NoAddress(String),
    /// The connection did not come about, or broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// No answer in time.
    #[error("no answer within {0} ms")]
    TimedOut(u128),
    /// The request cannot be written.
    #[error(transparent)]
    Unencodable(#[from] EncodeError),
    /// The answer cannot be read.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// The answer belongs to another request, or the request to no API.
    #[error("the answer does not belong to the request")]
    OutOfOrder,
    /// The leader answered the whole request with an error.
    #[error("the leader answered with {0}")]
    Refused(String),
}

/// An open connection. Dropping it closes it.
pub(super) struct Link {
    stream: TcpStream,
    buffer: BytesMut,
    client_id: String,
    correlation_id: i32,
    /// Whether anything was ever answered on it.
    pub(super) has_answered: bool,
}

impl Link {
    pub(super) async fn open(
        endpoint: &Endpoint,
        receive_buffer: Option<usize>,
        client_id: &str,
    ) -> Result<Link, LinkError> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in lookup_host((endpoint.host.as_str(), endpoint.port)).await? {
            let socket = match address.is_ipv4() {
                true => TcpSocket::new_v4()?,
                false => TcpSocket::new_v6()?,
            };
            if let Some(bytes) = receive_buffer {
                socket.set_recv_buffer_size(u32::try_from(bytes).unwrap_or(u32::MAX))?;
            }
            match socket.connect(address).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Link {
                        stream,
                        buffer: BytesMut::new(),
                        client_id: client_id.to_owned(),
                        correlation_id: 0,
                        has_answered: false,
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(last.into())
    }

    /// Writes a request.
    pub(super) async fn send<R: Request + Guarded>(
        &mut self,
        version: i16,
        request: &R,
    ) -> Result<(), LinkError> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let id = self.correlation_id;
        let frame = encode_request(version, id, Some(&self.client_id), request)?;
        Ok(self.stream.write_all(&frame).await?)
    }

    /// Reads the answer to the request last written. May be dropped and called again.
    pub(super) async fn receive<R>(&mut self, version: i16) -> Result<R::Response, LinkError>
    where
        R: Request,
        R::Response: Guarded,
    {
        let mut frame = self.frame().await?;
        let api = ApiKey::from_key(R::KEY).ok_or(LinkError::OutOfOrder)?;
        if decode_response_header(api, version, &mut frame)? != self.correlation_id {
            return Err(LinkError::OutOfOrder);
        }
        let response = decode_response::<R::Response>(version, frame)?;
        self.has_answered = true;
        Ok(response)
    }

    /// Whether an answer has begun to arrive.
    pub(super) fn is_receiving(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The buffer grows with the bytes that arrive. How many that may be is decided by the request:
    /// `replica.fetch.response.max.bytes` and one batch.
    async fn frame(&mut self) -> Result<Bytes, LinkError> {
        loop {
            if let Some(prefix) = self.buffer.first_chunk::<4>() {
                let size = usize::try_from(i32::from_be_bytes(*prefix))
                    .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
                if self.buffer.len() - 4 >= size {
                    self.buffer.advance(4);
                    return Ok(self.buffer.split_to(size).freeze());
                }
            }
            self.buffer.reserve(64 << 10);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }
}
