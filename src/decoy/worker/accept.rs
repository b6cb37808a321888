//! The accept loop of one listening socket.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};

use super::super::Decoy;
use super::super::session::{Recorder, SparePool};
use super::connection;
use super::governor::{Governor, Limit};
use super::sink::Channel;
use crate::event::Kind;
use crate::model::WorkerLimits;

/// Pauses after a failed accept: a plain loop would fail a million times a second.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What serves the clients of one listening socket.
#[derive(Clone)]
pub(super) struct Service {
    /// Its slug, as events name it.
    pub(super) slug: Arc<str>,
    /// Port of the service that the socket plays.
    pub(super) number: u16,
    /// Who talks.
    pub(super) decoy: Arc<dyn Decoy>,
    /// Its spare listening sockets.
    pub(super) spare: Arc<SparePool>,
    /// Where events go.
    pub(super) sink: Arc<Channel>,
    /// Who may come in.
    pub(super) governor: Arc<Governor>,
    /// How far they may go.
    pub(super) limits: WorkerLimits,
}

/// Accepts until the process ends.
pub(super) async fn run(listener: TcpListener, service: Service) {
    let mut pause = FIRST_PAUSE;
    loop {
        service.sink.room().await;
        match listener.accept().await {
            Ok((stream, source)) => {
                pause = FIRST_PAUSE;
                welcome(stream, source, &service);
                // Those who came before have their turn before the next comes in: a burst of clients
                // that leave at once does not fill the source's places.
                tokio::task::yield_now().await;
            }
            // The client was gone before we came: nothing of ours ran short.
            Err(e)
                if matches!(e.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {}
            Err(_) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

fn welcome(stream: TcpStream, source: SocketAddr, service: &Service) {
    let source = SocketAddr::new(source.ip().to_canonical(), source.port());
    // Gone already: the scan is recorded all the same, without knowing where it went.
    let destination = stream.local_addr().unwrap_or_else(|_| SocketAddr::new([0, 0, 0, 0].into(), 0));
    let destination = SocketAddr::new(destination.ip().to_canonical(), destination.port());
    let session = connection::session_id();
    let record = Recorder::new(service.sink.clone(), &service.slug, source, destination, &session);
    // It took our SYN-ACK.
    service.governor.prove(source.ip(), Instant::now());
    match service.governor.admit(source.ip()) {
        Ok(permit) => {
            record.event(Kind::Connection, "accept").field("network.transport", "tcp").emit();
            tokio::spawn(connection::serve(stream, permit, record, source, destination, service.clone()));
        }
        Err(limit) => {
            drop(stream);
            if service.governor.first_refusal(source.ip(), Instant::now()) {
                let message = match limit {
                    Limit::Decky => "too many open connections to this decky",
                    Limit::Source => "too many open connections from this source",
                };
                record.error("refused", message);
            }
        }
    }
}
