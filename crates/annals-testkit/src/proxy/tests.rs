use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use super::{Proxy, Way, Weather};

/// Longer than anything takes that is going to happen.
const LONG: Duration = Duration::from_secs(10);
/// Long enough to believe that nothing comes.
const QUIET: Duration = Duration::from_millis(200);

/// A proxy before a server that says everything back.
async fn echo() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ended = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    Proxy::start("127.0.0.1:0".parse().unwrap(), server)
        .await
        .unwrap()
}

async fn said(stream: &mut TcpStream, words: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(words).await?;
    let mut answer = vec![0; words.len()];
    timeout(LONG, stream.read_exact(&mut answer))
        .await
        .expect("an answer or an end")?;
    Ok(answer)
}

async fn connected(proxy: &Proxy) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(said(&mut stream, b"hello").await.unwrap(), b"hello");
    stream
}

#[tokio::test]
async fn a_cut_closes_what_stands_and_what_comes_and_mends() {
    let proxy = echo().await;
    let mut stream = connected(&proxy).await;
    proxy.set(Weather::Cut);
    assert_eq!(timeout(LONG, stream.read(&mut [0; 8])).await.unwrap().unwrap(), 0);
    let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(said(&mut refused, b"hello").await.is_err());
    proxy.set(Weather::Clear);
    connected(&proxy).await;
}

#[tokio::test]
async fn half_open_swallows_in_silence_and_resets_at_the_end() {
    let proxy = echo().await;
    let mut stream = connected(&proxy).await;
    proxy.set(Weather::HalfOpen);
    // The weather reaches a connection that reads.
    tokio::time::sleep(QUIET).await;
    let mut late = TcpStream::connect(proxy.address()).await.unwrap();
    for stream in [&mut stream, &mut late] {
        stream.write_all(b"anybody there?").await.unwrap();
        assert!(timeout(QUIET, stream.read(&mut [0; 8])).await.is_err());
    }
    proxy.set(Weather::Clear);
    for stream in [&mut stream, &mut late] {
        let ended = timeout(LONG, stream.read(&mut [0; 8])).await.unwrap();
        assert!(!matches!(ended, Ok(count) if count > 0), "{ended:?}");
    }
}

#[tokio::test]
async fn a_stalled_way_goes_on_where_it_stopped() {
    for way in [Way::ToServer, Way::ToClient] {
        let proxy = echo().await;
        let mut stream = connected(&proxy).await;
        proxy.set(Weather::Stalled(way));
        stream.write_all(b"wait").await.unwrap();
        let mut answer = [0; 4];
        assert!(timeout(QUIET, stream.read_exact(&mut answer)).await.is_err());
        proxy.set(Weather::Clear);
        timeout(LONG, stream.read_exact(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&answer, b"wait");
    }
}

#[tokio::test]
async fn delay_and_slowness_take_their_time_and_change_nothing() {
    let proxy = echo().await;
    let mut stream = connected(&proxy).await;
    proxy.set(Weather::Delayed(Duration::from_millis(60)));
    let began = Instant::now();
    assert_eq!(
        said(&mut stream, b"there and back").await.unwrap(),
        b"there and back"
    );
    assert!(
        began.elapsed() >= Duration::from_millis(120),
        "{:?}",
        began.elapsed()
    );
    proxy.set(Weather::Slow(2_000));
    let words = vec![7; 1_000];
    let began = Instant::now();
    assert_eq!(said(&mut stream, &words).await.unwrap(), words);
    assert!(
        began.elapsed() >= Duration::from_millis(450),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_reset_delivers_a_half_at_most() {
    let proxy = echo().await;
    let mut stream = connected(&proxy).await;
    proxy.set(Weather::ResetInFrame);
    assert!(said(&mut stream, b"0123456789").await.is_err());
}

#[tokio::test]
async fn damage_turns_one_bit_of_a_piece() {
    for way in [Way::ToServer, Way::ToClient] {
        let proxy = echo().await;
        let mut stream = connected(&proxy).await;
        proxy.set(Weather::Damaged(way));
        assert_eq!(
            said(&mut stream, b"abc").await.unwrap(),
            [b'a' ^ 0x80, b'b', b'c']
        );
    }
}
