"""What `apart` starts: decodes a file after the other, and is ended by the kernel if one takes too long.

It runs by its path, so that it loads the decoders and nothing of farfield.
"""

import io
import signal
import struct
import sys

import numpy as np

HEAD, ANSWER = struct.Struct("<4sIdQ"), struct.Struct("<?Q")  # as in `apart`


def main() -> None:
    given, answers = sys.stdin.buffer, sys.stdout.buffer
    while len(head := given.read(HEAD.size)) == HEAD.size:
        what, frame, seconds, size = HEAD.unpack(head)
        data = given.read(size)
        signal.setitimer(signal.ITIMER_PROF, seconds)  # of a processor: a busy machine takes nothing from it
        try:
            array = decoded(what, frame, data)
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=False)
            right, content = True, buffer.getvalue()
        except Exception as error:  # decoders raise all kinds
            right, content = False, f"damaged: {error or type(error).__name__}".encode()
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(ANSWER.pack(right, len(content)) + content)
        answers.flush()


def decoded(what: bytes, frame: int, data: bytes) -> np.ndarray:
    if what == b"jls ":
        import imagecodecs

        return np.asarray(imagecodecs.jpegls_decode(data))
    import pydicom
    from pydicom.pixels.utils import pixel_array

    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    failure: Exception | None = None
    for plugin in ("pyjpegls", "gdcm", ""):
        try:
            return np.asarray(pixel_array(dataset, index=frame, decoding_plugin=plugin))
        except Exception as error:  # not installed, or not able to read this file
            failure = error.with_traceback(None)  # which would hold this call and the file in a circle
    assert failure is not None
    raise failure


if __name__ == "__main__":
    main()
