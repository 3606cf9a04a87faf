//! Crowds, slow clients and nonsense on the HTTP side: whoever asks properly is answered.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::{Dice, LIMIT, Place, Running, processor, rounds, wait_until};

fn place() -> Place {
    Place::with_config(&["intervalo = \"1h\"\n", &processor("bom", &["true"], "")].concat())
}

fn descriptors(service: &Running) -> usize {
    let folder = format!("/proc/{}/fd", service.pid());
    fs::read_dir(folder).unwrap().count()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

#[test]
fn a_crowd_that_never_finishes_its_requests_makes_room_for_who_does() {
    let place = place();
    // Half of the descriptors are for connections.
    let service = place.limited_service("ulimit -n 128");
    service.wait_for_cycles(1);
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut stream = connect(service.address());
        write!(stream, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Devagar: ").unwrap();
        slow.push(stream);
        assert_eq!(service.get("/-/healthy").code, 200);
    }
    let metrics = service.get("/metrics").body;
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    };
    let open = value("orquestrador_http_connections ");
    assert!(open <= 65.0, "{open} connections are open");
    let crowded = value("orquestrador_http_connections_refused_total{reason=\"crowded\"} ");
    assert!(crowded >= 36.0, "{crowded} had to go");
    let first = slow.remove(0).read(&mut [0; 16]);
    assert!(
        matches!(first, Ok(0) | Err(_)),
        "the first to come was the first to go"
    );
    service.stop().assert_code(0);
}

#[test]
fn a_request_that_is_too_long_is_refused_and_one_with_a_body_is_answered_without_it() {
    let place = place();
    let service = place.service(&[]);
    let ask = |text: &str| {
        let mut stream = connect(service.address());
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok();
        answer.get(9..12).unwrap_or_default().to_owned()
    };
    let long = "x".repeat(20_000);
    let head = "Host: localhost\r\nConnection: close\r\n";
    assert_eq!(ask(&format!("GET /{long} HTTP/1.1\r\n{head}\r\n")), "431");
    assert_eq!(
        ask(&format!("GET / HTTP/1.1\r\n{head}X: {long}\r\n\r\n")),
        "431"
    );
    let many = "X: y\r\n".repeat(100);
    assert_eq!(ask(&format!("GET / HTTP/1.1\r\n{head}{many}\r\n")), "431");
    let body = "Content-Length: 5\r\n\r\nabcde";
    assert_eq!(
        ask(&format!("GET /-/healthy HTTP/1.1\r\n{head}{body}")),
        "200"
    );
    assert_eq!(ask(&format!("DELETE / HTTP/1.1\r\n{head}{body}")), "405");
    service.stop().assert_code(0);
}

/// Requests from which nonsense is made.
const SEEDS: [&str; 5] = [
    "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\nAccept-Encoding: gzip\r\n\r\n",
    "GET /logs?processador=bom&limite=5 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic YTpi\r\n\r\n",
    "POST /status HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    "HEAD /%2e%2e/%00?a=%ff HTTP/1.0\r\nRange: bytes=0-1\r\n\r\n",
    "GET http://localhost/status HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
];

/// One seed with some bytes changed, taken out, put in or repeated.
fn nonsense(dice: &mut Dice) -> Vec<u8> {
    let mut pick = |end: usize| usize::try_from(dice.below(end as u64)).unwrap();
    let mut bytes = SEEDS[pick(SEEDS.len())].as_bytes().to_vec();
    for _ in 0..=pick(8) {
        if bytes.is_empty() {
            break;
        }
        let at = pick(bytes.len());
        match pick(5) {
            0 => bytes[at] = u8::try_from(pick(256)).unwrap(),
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, u8::try_from(pick(256)).unwrap()),
            3 => bytes.truncate(at.max(1)),
            _ => {
                let again = bytes[at..].to_vec();
                bytes.extend(again.repeat(1 + pick(20)));
            }
        }
    }
    bytes
}

#[test]
fn nonsense_of_every_kind_neither_panics_nor_leaks_a_descriptor() {
    let place = place();
    let service = place.service(&[]);
    service.wait_for_cycles(1);
    let address = service.address();
    let before = descriptors(&service);
    let mut dice = Dice::new();
    let seed = dice.0;
    for round in 0..rounds() * 100 {
        let bytes = nonsense(&mut dice);
        let mut stream = connect(address);
        stream
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        // The other side may close at the first wrong byte.
        stream.write_all(&bytes).ok();
        if dice.below(2) == 0 {
            stream.shutdown(Shutdown::Write).ok();
        }
        let _answered = stream.read(&mut [0; 64]);
        if round % 100 == 0 {
            assert_eq!(
                service.get("/-/healthy").code,
                200,
                "seed {seed}, round {round}"
            );
        }
    }
    wait_until("the descriptors of before", LIMIT, || {
        (descriptors(&service) <= before).then_some(())
    });
    let ended = service.stop();
    ended.assert_code(0);
    assert!(
        !ended.stderr.contains("panicked"),
        "seed {seed}: {}",
        ended.stderr
    );
}
