//! A proxy in front of the server's socket, which can behave as a bad network does.
//!
//! It is a socket itself, in a folder of its own: on a port, every user of the machine could come to
//! the server, which asks for no password.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream, unix},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep_until},
};

/// What it does with what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// Passes it on.
    Good,
    /// Passes it on, but for the server's notifications, as some poolers do.
    WithoutNotifications,
    /// Keeps everything until it is good again, as if packets were lost: nobody is told anything.
    Silent,
    /// Ends every connection, and every new one.
    Cut,
    /// Each answer of the server takes this long.
    Slow(Duration),
}

/// Ends with this.
#[derive(Debug)]
pub(crate) struct Proxy {
    folder: PathBuf,
    network: watch::Sender<Network>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy for the server with this socket, whose own is in a folder that is made for it.
    pub(crate) fn start(socket: &Path, folder: &Path) -> io::Result<Self> {
        fs::create_dir(folder)?;
        let listener = UnixListener::bind(folder.join(".s.PGSQL.5432"))?;
        let (network, state) = watch::channel(Network::Good);
        let accepting = tokio::spawn(accept(listener, socket.to_owned(), state));
        Ok(Self { folder: folder.to_owned(), network, accepting })
    }

    /// What is the host for a client.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn set(&self, network: Network) {
        self.network.send_replace(network);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: UnixListener, socket: PathBuf, network: watch::Receiver<Network>) {
    loop {
        if let Ok((client, _)) = listener.accept().await {
            tokio::spawn(carry(client, socket.clone(), network.clone()));
        }
    }
}

/// One connection. Whatever ends it, both sides are told so at once.
async fn carry(client: UnixStream, socket: PathBuf, mut network: watch::Receiver<Network>) {
    if passing(&mut network).await.is_none() {
        return;
    }
    let Ok(server) = UnixStream::connect(socket).await else { return };
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    let mut watched = network.clone();
    tokio::select! {
        _ = requests(from_client, to_server, network.clone()) => {}
        _ = answers(from_server, to_client, network) => {}
        // The sender is gone with the test.
        _ = watched.wait_for(|network| *network == Network::Cut) => {}
    }
}

/// Waits while nothing passes. `None` if nothing will pass here any more.
async fn passing(network: &mut watch::Receiver<Network>) -> Option<Network> {
    let network = *network.wait_for(|network| *network != Network::Silent).await.ok()?;
    (network != Network::Cut).then_some(network)
}

async fn requests(
    mut from: unix::OwnedReadHalf,
    mut to: unix::OwnedWriteHalf,
    mut network: watch::Receiver<Network>,
) -> Option<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        passing(&mut network).await?;
        to.write_all(&buffer[..read]).await.ok()?;
    }
}

/// What the server says, message by message: a byte for the kind, then the length in four bytes,
/// which counts itself (PostgreSQL, "Message Formats"). All it says has this form, since no node asks
/// for TLS.
async fn answers(
    mut from: unix::OwnedReadHalf,
    mut to: unix::OwnedWriteHalf,
    mut network: watch::Receiver<Network>,
) -> Option<()> {
    let (queue, mut queued) = mpsc::channel::<(Instant, Vec<u8>)>(1024);
    let mut reading = network.clone();
    let read = async {
        let mut pending = Vec::new();
        loop {
            let read = from.read_buf(&mut pending).await.ok().filter(|read| *read > 0)?;
            let arrived = Instant::now();
            let _ = read;
            let state = *reading.borrow_and_update();
            let mut whole = Vec::new();
            while let Some(length) = message(&pending) {
                let message: Vec<u8> = pending.drain(..length).collect();
                if state != Network::WithoutNotifications || message[0] != NOTIFICATION {
                    whole.extend(message);
                }
            }
            let due = match state {
                Network::Slow(delay) => arrived + delay,
                _ => arrived,
            };
            if !whole.is_empty() {
                queue.send((due, whole)).await.ok()?;
            }
        }
    };
    let write = async {
        while let Some((due, message)) = queued.recv().await {
            // What is under way stays slow when the network gets better.
            sleep_until(due).await;
            passing(&mut network).await?;
            to.write_all(&message).await.ok()?;
        }
        None
    };
    tokio::select! {
        ended = read => ended,
        ended = write => ended,
    }
}

/// How long the first message is, if it is there as a whole.
fn message(bytes: &[u8]) -> Option<usize> {
    let length = bytes.get(1..5)?.try_into().ok().map(u32::from_be_bytes)?;
    let length = usize::try_from(length).ok()? + 1;
    (bytes.len() >= length).then_some(length)
}

const NOTIFICATION: u8 = b'A';
