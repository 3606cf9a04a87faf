"""What traces cost: cycles of 100 /bin/true with a collector that takes everything, beside the same without one."""

import http.server
import subprocess
import threading

from comum import PLAIN, beside, configuration, folder, seconds


class Taker(http.server.BaseHTTPRequestHandler):
    """A collector that takes everything."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def figures(binary, quick):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    traced = PLAIN | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }
    for mode in ("sequencial", "paralelo"):
        with folder() as place:
            configuration(place, 100, paralelismo=16)
            command = [binary, "--config", f"{place}/orquestrador.toml", "--dados", f"{place}/dados", "--single-run",
                       "--modo", mode]
            run = lambda env: seconds(lambda: subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL))
            run(traced), run(PLAIN)
            found = [(run(traced), run(PLAIN)) for _ in range(2 if quick else 15)]
            yield beside(f"cycle of 100 /bin/true with traces, {mode}, whole process", found, "s", "without traces")
    server.shutdown()
