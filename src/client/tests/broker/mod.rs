//! A broker that says what the test wants.
#![allow(unreachable_pub, dead_code)] // each test is a crate of its own and uses a part
#![allow(clippy::unwrap_used, clippy::panic)] // only tests use it

use bytes::{BufMut, Bytes, BytesMut};
use ottla_protocol::{Encodable, RequestHeader, decode_header, encode_response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the broker does with a request.
pub enum Deed {
    Answer(Bytes),
    Silence,
    HangUp,
}

/// Serves connections one after the other. `deed` gets the number of the connection, the
/// request's header and its body.
pub async fn broker(
    mut deed: impl FnMut(usize, &RequestHeader, Bytes) -> Deed + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            while let Some((header, body)) = next_request(&mut stream).await {
                match deed(number, &header, body) {
                    Deed::Answer(frame) => stream.write_all(&frame).await.unwrap(),
                    Deed::Silence => {}
                    Deed::HangUp => break,
                }
            }
            number += 1;
        }
    });
    address
}

async fn next_request(stream: &mut TcpStream) -> Option<(RequestHeader, Bytes)> {
    let size = stream.read_u32().await.ok()?;
    let mut frame = vec![0; size as usize];
    stream.read_exact(&mut frame).await.ok()?;
    let mut frame = Bytes::from(frame);
    let header = decode_header(&mut frame).ok()?;
    Some((header, frame))
}

/// A whole answer to the request, size included.
pub fn frame<M: Encodable + ottla_protocol::layout::Guarded>(
    header: &RequestHeader,
    message: &M,
) -> Bytes {
    let body = encode_response(header, message).unwrap();
    let mut bytes = BytesMut::new();
    for part in body.parts {
        let ottla_protocol::Part::Bytes(part) = part else {
            panic!("no files here");
        };
        bytes.put_slice(&part);
    }
    let mut framed = BytesMut::new();
    framed.put_u32(bytes.len() as u32);
    framed.put_slice(&bytes);
    framed.freeze()
}
