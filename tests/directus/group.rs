//! Two instances of a group, over a real NATS server, that work on the queue of one Directus.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::faults::rounds;
use crate::server::{Server, now, pause};
use crate::world::{Site, World, finish};

/// All versions are done by then, unless something is wrong: a busy machine takes a second for each.
const LIMIT: Duration = Duration::from_mins(30);

/// A NATS server on a free port, ended with the test.
struct Nats {
    address: SocketAddr,
    server: Child,
    _folder: tempfile::TempDir,
}

impl Nats {
    #[expect(clippy::disallowed_methods, reason = "a real server is a real process")]
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let server = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-js", "-p", &address.port().to_string()])
            .arg("-sd")
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let nats = Self {
            address,
            server: server.expect("nats-server, of the Debian package of that name"),
            _folder: folder,
        };
        let begun = now();
        while TcpStream::connect(address).is_err() {
            assert!(begun.elapsed() < LIMIT, "NATS does not answer");
            pause(Duration::from_millis(50));
        }
        nats
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

/// An instance that makes one run at a time, so that each of the two gets one.
fn site(server: &Server, nats: &Nats, name: &str) -> Site {
    let site = Site::new(server.url(), "");
    let text = format!(
        "paralelismo = 1\nintervalo = \"1h\"\n\
         [[processador]]\nnome = \"automatico\"\ninstancias = 2\ntimeout = \"40m\"\n\
         comando = [\"@orquestrador\", \"processador\", \"automatico\"]\n\
         [documentos]\nversoes_por_execucao = 1000\n\
         [distribuicao]\nservidores = [\"nats://{}\"]\ninstancia = \"{name}\"\n",
        nats.address
    );
    fs::write(site.folder.path().join("orquestrador.toml"), text).unwrap();
    site
}

/// Starts it; what it says goes to a file, which never fills up.
fn start(site: &Site) -> Child {
    let mut command = site.command(&["--porta", "0", "--verbose"]);
    let out = fs::File::create(site.folder.path().join("saida")).unwrap();
    command.stdout(out).stderr(Stdio::null()).spawn().unwrap()
}

/// 50 versions, and the 500 that are asked of a group with `ORQUESTRADOR_TEST_RODADAS=200`, as `make test-longo` sets it.
#[test]
#[ignore = "needs a real Directus: make test-directus"]
fn two_instances_of_a_group_store_the_results_of_every_pending_version_exactly_once() {
    let server = Server::start();
    let nats = Nats::start();
    let contracts = usize::try_from(rounds() / 2).unwrap().max(2);
    let world = World::populate(&server, contracts, 5);
    println!("{} versions wait", world.versions.len());
    let sites = ["um", "dois"].map(|name| site(&server, &nats, name));
    let models = sites[0].run(&["processador", "modelo-contrato"]);
    assert_eq!(models.code, Some(0), "{models:?}");
    let begun = now();
    let running = sites.each_ref().map(start);
    while World::open(&server) > 0 {
        assert!(begun.elapsed() < LIMIT, "{} are open", World::open(&server));
        pause(Duration::from_millis(500));
    }
    let taken = begun.elapsed();
    // Both runs have nothing more to take; the end of the group ends them if they have not seen that yet.
    pause(Duration::from_secs(2));
    for child in running {
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        assert_eq!(finish(child).code, Some(0));
    }
    let shares = sites.each_ref().map(|site| {
        let said = fs::read_to_string(site.folder.path().join("saida")).unwrap();
        let lines = said.lines().filter(|line| line.contains("stdout"));
        let share = lines.filter(|line| line.contains("modificações")).count();
        assert!(share > 1, "this one did nothing:\n{said}");
        share
    });
    println!("{shares:?} in {taken:?}");
    world.assert_right(&server);
}
