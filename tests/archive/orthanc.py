"""A real Orthanc with accounts, which may be killed and started again."""

import json
import socket
import subprocess
import time
from pathlib import Path

import requests

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
PORT = 18042
READER, PASSWORD = "reader", "a password / with : signs"


class Orthanc:
    """The server, which may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self.storage = folder / "storage"
        self._configuration = folder / "orthanc.json"
        self._configuration.write_text(
            json.dumps(
                {
                    "StorageDirectory": str(self.storage),
                    "IndexDirectory": str(self.storage),
                    "Plugins": [str(PLUGIN)],
                    "HttpPort": PORT,
                    "RemoteAccessAllowed": False,
                    "AuthenticationEnabled": True,
                    "RegisteredUsers": {READER: PASSWORD},
                    "DicomServerEnabled": False,
                    "OverwriteInstances": False,
                    "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "Host": f"127.0.0.1:{PORT}"},
                }
            )
        )
        self.url = f"http://127.0.0.1:{PORT}"
        self.location = f"dicomweb+{self.url}/dicom-web"
        self.credentials = {"username": READER, "password": PASSWORD}
        self._process: subprocess.Popen[bytes] | None = None
        self._session = requests.Session()
        self._session.auth = (READER, PASSWORD)

    def start(self) -> None:
        with (self._folder / "orthanc.log").open("ab") as log:
            self._process = subprocess.Popen(["Orthanc", str(self._configuration)], stdout=log, stderr=log)
        for _ in range(200):
            try:
                return socket.create_connection(("127.0.0.1", PORT), timeout=1).close()
            except OSError:
                time.sleep(0.05)
        raise TimeoutError((self._folder / "orthanc.log").read_text()[-2000:])

    def kill(self) -> None:
        """End it as a power cut would."""
        self._session.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def add(self, data: bytes) -> None:
        self._rest("POST", "/instances", data)

    def files(self) -> dict[str, bytes]:
        """All files of the archive, by SOP instance UID."""
        found = json.loads(self._rest("GET", "/instances?expand"))
        return {
            item["MainDicomTags"]["SOPInstanceUID"]: self._rest("GET", f"/instances/{item['ID']}/file")
            for item in found
        }

    def _rest(self, method: str, path: str, data: bytes | None = None) -> bytes:
        answer = self._session.request(method, self.url + path, data=data, timeout=10)
        answer.raise_for_status()
        return answer.content
