//! What lies between a client and its server: it counts round trips, holds back what is sent and swallows what is answered.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of the connections that were made before a certain one.
#[derive(Clone, Copy, Default)]
struct Trouble {
    held_before: usize,
    mute_before: usize,
    cut_before: usize,
}

/// Connections over a port of the loopback address to a server on another.
pub(crate) struct Wire {
    pub(crate) port: u16,
    round_trips: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    trouble: watch::Sender<Trouble>,
}

impl Wire {
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (trouble, seen) = watch::channel(Trouble::default());
        let (round_trips, connections) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (trips, made) = (Arc::clone(&round_trips), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = made.fetch_add(1, Ordering::SeqCst);
                if let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await {
                    carry(number, client, server, Arc::clone(&trips), seen.clone());
                }
            }
        });
        Self { port, round_trips, connections, trouble }
    }

    /// How often a client has said something after it was answered, or first.
    pub(crate) fn round_trips(&self) -> usize {
        self.round_trips.load(Ordering::SeqCst)
    }

    /// What is sent over the connections there are reaches the server only after a [`release`](Self::release), whether or
    /// not the client is still there.
    pub(crate) fn hold(&self) {
        let held_before = self.connections.load(Ordering::SeqCst);
        self.trouble.send_modify(|trouble| trouble.held_before = held_before);
    }

    pub(crate) fn release(&self) {
        self.trouble.send_modify(|trouble| trouble.held_before = 0);
    }

    /// No answer over the connections there are reaches the client any more.
    pub(crate) fn mute(&self) {
        let mute_before = self.connections.load(Ordering::SeqCst);
        self.trouble.send_modify(|trouble| trouble.mute_before = mute_before);
    }

    /// The connections there are end for the client. What the server was asked it goes on with.
    pub(crate) fn cut(&self) {
        let cut_before = self.connections.load(Ordering::SeqCst);
        self.trouble.send_modify(|trouble| trouble.cut_before = cut_before);
    }
}

fn carry(
    number: usize,
    client: TcpStream,
    server: TcpStream,
    round_trips: Arc<AtomicUsize>,
    mut trouble: watch::Receiver<Trouble>,
) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answered = Arc::new(AtomicBool::new(true));
    let (asked, mut seen) = (Arc::clone(&answered), trouble.clone());
    tokio::spawn(async move {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            if asked.swap(false, Ordering::SeqCst) {
                round_trips.fetch_add(1, Ordering::SeqCst);
            }
            let free = trouble.wait_for(|trouble| number >= trouble.held_before).await.is_ok();
            if !free || to_server.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
    });
    tokio::spawn(async move {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = tokio::select! {
                read = from_server.read(&mut buffer) => read.unwrap_or_default(),
                _ = seen.wait_for(|trouble| number < trouble.cut_before) => 0,
            };
            if read == 0 {
                break;
            }
            answered.store(true, Ordering::SeqCst);
            let heard = number >= seen.borrow().mute_before;
            if heard && to_client.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
        let _ = to_client.shutdown().await;
        // The server is heard out.
        while let Ok(1..) = from_server.read(&mut buffer).await {}
    });
}
