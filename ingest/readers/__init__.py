"""One module a format: bytes → a `ReadDocument`.

To add a format, write a module with `read(path, limits) -> ReadDocument`, name it in `sniff.READERS`, and teach
`sniff.reader_for` to recognise it. Readers run only in the sandbox's child process.
"""
