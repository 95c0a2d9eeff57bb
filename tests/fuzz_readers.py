"""Coverage-guided fuzzing of one reader: `python -m tests.fuzz_readers READER SEEDS [libFuzzer options]`.

The process ends with an error at the first file that makes the reader raise anything but ReadError, take too long or too
much memory; libFuzzer then leaves the file beside the seeds. In the sandbox, all that would be that document's failure only.
"""

import sys
import tempfile
import uuid
from pathlib import Path

import atheris

from docradar.errors import ReadError

with atheris.instrument_imports(include=["ingest"]):
    from ingest import prepare as preparing
    from ingest.readers import sniff
    from ingest.readers.document import ReadLimits

LIMITS = ReadLimits(text_chars=2_000_000, pages=200, entries=1000, unpacked_bytes=20_000_000)


def main() -> None:
    reader, *options = sys.argv[1:]
    folder = Path(tempfile.mkdtemp(prefix="docradar-fuzz-"))
    (sniff.load_expander if reader in sniff.EXPANDERS else sniff.load)(reader)

    def read(content: bytes) -> None:
        path = folder / "file"
        path.write_bytes(content)
        request = preparing.PrepareRequest(
            path=path,
            filename="file",
            document_id=str(uuid.UUID(int=1)),
            scratch_dir=folder,
            limits=LIMITS,
            reader=reader,
        )
        try:
            prepared = preparing.prepare(request)
        except ReadError:
            return
        text = prepared.text_path.read_text(encoding="utf-8") if prepared.container is None else ""
        for passage in prepared.passages() if prepared.container is None else ():
            for unit in passage.units:
                assert text[slice(*unit.span)] == unit.text

    atheris.Setup([sys.argv[0], *options], read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
