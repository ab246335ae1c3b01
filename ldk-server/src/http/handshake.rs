//! The TLS handshake of a connection.

use std::io;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The first byte of every TLS connection.
const TLS_HANDSHAKE_RECORD: u8 = 22;

/// Speaks TLS on a connection that was accepted; tells a client that does not that it must.
///
/// The stream is on the heap, because each future that takes it by value would have room for it once more.
pub(super) async fn handshake(
    mut stream: TcpStream,
    tls: TlsAcceptor,
) -> io::Result<Box<TlsStream<TcpStream>>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first[0] != TLS_HANDSHAKE_RECORD {
        refuse_plain_text(&mut stream).await?;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "plain text on the TLS port"));
    }
    tls.accept(stream).await.map(Box::new)
}

/// Answers in HTTP, which is what clients speak that were configured without TLS.
async fn refuse_plain_text(stream: &mut TcpStream) -> io::Result<()> {
    const TEXT: &str = "this port speaks TLS only; use https://\n";
    let length = TEXT.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{TEXT}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
