//! One collector's connection, over and over: dial, introduce ourselves, dump, follow.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use super::queue::{Queue, Stop, Work};
use crate::bmp::{self, Encoder};
use crate::speaker::Monitored;

/// What we are, for people.
const DESCRIPTION: &str = concat!("Fabric BGP speaker ", env!("CARGO_PKG_VERSION"));
/// Between attempts, at first and at most; doubled each time (RFC 7854 §3.2).
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A collector that takes nothing for so long is stuck.
const STALL: Duration = Duration::from_secs(60);
/// A quiet fabric says nothing for hours; TCP finds out that the collector is gone.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Octets that are written at a time.
const CHUNK: usize = 64 << 10;
/// How long the last words may take.
const FAREWELL: Duration = Duration::from_millis(500);

/// What a collector's task knows.
pub(super) struct Link {
    pub(super) number: usize,
    pub(super) address: SocketAddr,
    pub(super) system_name: Arc<str>,
    pub(super) queue: Arc<Queue>,
    pub(super) announce: mpsc::Sender<usize>,
}

/// Why a connection ended.
#[derive(Debug)]
enum End {
    Stopped(Stop),
    Lost(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

/// Serves a collector until it is removed.
pub(super) async fn serve(link: Link) {
    let mut pause = FIRST_PAUSE;
    loop {
        let began = Instant::now();
        let end = tokio::select! {
            biased;
            Stop::Removed = link.queue.stopped() => return,
            outcome = connect(link.address) => match outcome {
                Ok(stream) => follow(&link, stream).await,
                Err(error) => End::Lost(error),
            },
        };
        let collector = link.address;
        match end {
            End::Stopped(Stop::Removed) => return,
            End::Stopped(Stop::Overrun) => {
                tracing::warn!(%collector, "the BMP collector does not keep up: disconnected");
            }
            End::Lost(error) => tracing::info!(%collector, %error, "no connection to the BMP collector"),
        }
        link.queue.disconnected();
        // A connection that lasted was a good one; one that is overrun again and again is not dumped to in a circle.
        if began.elapsed() > LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        tokio::select! {
            Stop::Removed = link.queue.stopped() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no answer"))??;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3).with_retries(3);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

/// From the first word to the last.
async fn follow(link: &Link, stream: TcpStream) -> End {
    let (reader, mut writer) = stream.into_split();
    let end = tokio::select! {
        biased;
        stop = link.queue.stopped() => End::Stopped(stop),
        error = hang_up(reader) => End::Lost(error),
        end = speak(link, &mut writer) => end,
    };
    if let End::Stopped(Stop::Removed) = end {
        let mut last_words = BytesMut::new();
        bmp::encode_termination(&mut last_words);
        // After half a message they would be noise, but then the connection is closed as well.
        let _ = tokio::time::timeout(FAREWELL, writer.write_all(&last_words)).await;
        let _ = writer.shutdown().await;
    }
    end
}

/// Waits for the collector to close. It has nothing to say (RFC 7854 §3.2), and what it says is not kept.
async fn hang_up(mut reader: OwnedReadHalf) -> io::Error {
    let mut scratch = [0; 512];
    loop {
        match reader.read(&mut scratch).await {
            Ok(0) => return io::Error::new(io::ErrorKind::UnexpectedEof, "closed by the collector"),
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

async fn speak(link: &Link, writer: &mut OwnedWriteHalf) -> End {
    match try_speak(link, writer).await {
        Ok(stop) => End::Stopped(stop),
        Err(error) => End::Lost(error),
    }
}

async fn try_speak(link: &Link, writer: &mut OwnedWriteHalf) -> io::Result<Stop> {
    let mut out = BytesMut::new();
    bmp::encode_initiation(&link.system_name, DESCRIPTION, &mut out);
    write(link, writer, &mut out).await?;
    link.queue.connected();
    if link.announce.send(link.number).await.is_err() {
        return Ok(Stop::Removed);
    }
    loop {
        match link.queue.next().await {
            Work::Dump(everything) => dump(link, &everything, writer).await?,
            Work::Send(message) => {
                out.extend_from_slice(&message);
                write(link, writer, &mut out).await?;
            }
            Work::Stop(stop) => return Ok(stop),
        }
    }
}

async fn dump(link: &Link, everything: &[Monitored], writer: &mut OwnedWriteHalf) -> io::Result<()> {
    let mut encoder = Encoder::new();
    let mut out = BytesMut::new();
    for monitored in everything {
        encoder.encode(monitored, None, &mut out);
        if out.len() >= CHUNK {
            write(link, writer, &mut out).await?;
        }
    }
    encoder.encode_ends(&mut out);
    write(link, writer, &mut out).await
}

/// Writes all of it, as long as some of it is taken every now and then.
async fn write(link: &Link, writer: &mut OwnedWriteHalf, out: &mut BytesMut) -> io::Result<()> {
    while !out.is_empty() {
        match tokio::time::timeout(STALL, writer.write_buf(out)).await {
            Ok(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => link.queue.sent(written?),
            Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "it takes nothing")),
        }
    }
    Ok(())
}
