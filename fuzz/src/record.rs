//! A seed from a real client: serves one TCP connection as a fuzzed one is served, with the same randomness, and
//! keeps what the client sent.
//!
//! ```sh
//! DECNET_FUZZ=smb DECNET_FUZZ_RECORD=127.0.0.1:4445 DECNET_FUZZ_MANNER=0800 decnet-fuzz FILE
//! smbclient -p 4445 -L //127.0.0.1 -U root%toor
//! ```
//!
//! FILE, which need not exist to begin with but must be no seed, is not read; the seed is `seed.bin` beside it.

use std::path::PathBuf;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::random;
use crate::service::{self, Manner};

/// Serves one client at `address` and ends the program.
pub fn run(slug: &str, address: &str) -> ! {
    let manner = std::env::var("DECNET_FUZZ_MANNER").unwrap_or_else(|_| "0000".to_owned());
    let manner = u16::from_str_radix(&manner, 16).expect("DECNET_FUZZ_MANNER is four hex digits");
    let [first, second] = manner.to_be_bytes();
    let file = PathBuf::from(std::env::args_os().next_back().unwrap_or_default()).with_file_name("seed.bin");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let said = runtime.block_on(async {
        let listener = TcpListener::bind(address).await.expect("DECNET_FUZZ_RECORD is no free address");
        let (client, _) = listener.accept().await.unwrap();
        random::begin();
        let (decoy, number) = service::made(slug, Manner(first, second));
        let served = decnet::decoy::testing::serve_on(decoy, number);
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_decoy, mut to_decoy) = tokio::io::split(served.stream);
        let mut said = Vec::new();
        let forth = async {
            let mut chunk = [0u8; 4096];
            while let Ok(got @ 1..) = from_client.read(&mut chunk).await {
                said.extend_from_slice(&chunk[..got]);
                if to_decoy.write_all(&chunk[..got]).await.is_err() {
                    break;
                }
            }
            let _ = to_decoy.shutdown().await;
        };
        let back = async {
            let _ = tokio::io::copy(&mut from_decoy, &mut to_client).await;
            let _ = to_client.shutdown().await;
        };
        tokio::join!(forth, back);
        served.kept.events().iter().for_each(crate::written);
        said
    });
    std::fs::write(&file, said).expect("the seed cannot be written");
    std::process::exit(0)
}
