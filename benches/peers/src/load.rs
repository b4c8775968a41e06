//! The process that sends requests: connections that are kept, one request at a time on each.

use std::{
    io::{BufRead, stdin},
    net::SocketAddr,
    time::{Duration, Instant},
};

use http::{
    HeaderValue, Request, StatusCode,
    header::{AUTHORIZATION, HOST},
};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet, time::timeout};

use crate::{Outcome, affinity};

/// What is sent, to whom, and for how long.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Load {
    /// Where the server listens.
    #[arg(long)]
    pub address: SocketAddr,
    /// The core to stay on.
    #[arg(long)]
    pub on_core: usize,
    /// How many connections send at once.
    #[arg(long)]
    pub connections: usize,
    /// For how long, in milliseconds.
    #[arg(long)]
    pub milliseconds: u64,
}

/// Sends requests with the `Authorization` that is the first line of the standard input, and prints how
/// many were answered.
///
/// # Errors
///
/// If an answer is not 200, or none comes.
pub fn load(load: Load) -> Outcome<()> {
    affinity::stay_on(load.on_core)?;
    let mut authorization = String::new();
    stdin().lock().read_line(&mut authorization)?;
    let authorization = HeaderValue::from_str(authorization.trim_end())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let length = Duration::from_millis(load.milliseconds);
    let answered = runtime.block_on(async {
        let until = Instant::now() + length;
        timeout(length + PATIENCE, connections(load, authorization, until))
            .await
            .map_err(|_| "the server does not answer any more")?
    });
    println!("{}", answered?);
    Ok(())
}

/// Sends on all connections until then.
async fn connections(load: Load, authorization: HeaderValue, until: Instant) -> Outcome<u64> {
    let mut connections = JoinSet::new();
    for _ in 0..load.connections {
        let authorization = authorization.clone();
        connections.spawn(async move {
            let answered = connection(load.address, authorization, until).await;
            answered.map_err(|error| error.to_string())
        });
    }
    let mut answered = 0;
    while let Some(connection) = connections.join_next().await {
        answered += connection??;
    }
    Ok(answered)
}

async fn connection(
    address: SocketAddr,
    authorization: HeaderValue,
    until: Instant,
) -> Outcome<u64> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut answered = 0;
    while Instant::now() < until {
        sender.ready().await?;
        let request = Request::get("/")
            .header(HOST, "localhost")
            .header(AUTHORIZATION, authorization.clone())
            .body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(format!("{} for the good token", response.status()).into());
        }
        response.into_body().collect().await?;
        answered += 1;
    }
    drop(sender);
    connection.await??;
    Ok(answered)
}

/// How long answers may take that are still missing at the end.
const PATIENCE: Duration = Duration::from_secs(10);
