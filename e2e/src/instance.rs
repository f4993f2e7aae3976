//! An instance of a service, as well or as ill as a journey needs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// An instance that answers with its mood, as fast as it is told.
pub struct Instance {
    /// Where it listens, on loopback.
    pub port: u16,
    /// The status that it answers with.
    pub mood: AtomicU16,
    /// How long it takes.
    pub millis: AtomicU64,
}

impl Instance {
    /// Serves until the runtime ends.
    pub async fn start() -> Result<Arc<Self>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let instance = Arc::new(Self { port, mood: AtomicU16::new(200), millis: AtomicU64::new(0) });
        let own = Arc::clone(&instance);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let instance = Arc::clone(&own);
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    if stream.read(&mut request).await.unwrap_or(0) > 0 {
                        tokio::time::sleep(Duration::from_millis(instance.millis.load(Ordering::SeqCst)))
                            .await;
                        let status = instance.mood.load(Ordering::SeqCst);
                        let head =
                            format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                        let _ = stream.write_all(head.as_bytes()).await;
                    }
                });
            }
        });
        Ok(instance)
    }
}
