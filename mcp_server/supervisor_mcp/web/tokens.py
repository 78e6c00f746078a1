"""The secret that every client must present: in a file that nobody but its owner can read."""

import os
import secrets
import stat

MIN_CHARS = 16
FILE_NAME = "http-token"


class TokenError(Exception):
    """The token's file cannot be used; the message says why and what to do."""


def load(path: str) -> bytes:
    """The token in the file `path`, which is made with a random one where there is none.

    Raises:
        TokenError: Others can read the file, or what it holds cannot serve as a token.
    """
    try:
        _create(path)
    except FileExistsError:
        pass
    except OSError as error:
        raise TokenError(f"{path}: the token's file cannot be made: {error.strerror}") from error
    return _read(path)


def _create(path: str) -> None:
    folder = os.path.dirname(path)  # noqa: PTH120 - the path stays a string from the options on
    if folder:
        os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103 - likewise
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        os.fchmod(descriptor, 0o600)  # whatever the umask
        file.write(secrets.token_urlsafe(32) + "\n")


def _read(path: str) -> bytes:
    try:
        # O_NONBLOCK: a pipe in its place must not hold up the start
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123 - of a descriptor
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise TokenError(f"{path}: the token must be in an ordinary file")
            if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                mode = stat.S_IMODE(status.st_mode)
                raise TokenError(
                    f"{path}: others can get at the token (mode {mode:04o}), so take it for known\n"
                    f"hint: rm {path}, start again, and give the new token to the clients"
                )
            token = file.read(4096).strip()
    except OSError as error:
        raise TokenError(f"{path}: the token cannot be read: {error.strerror}") from error
    if (
        len(token) < MIN_CHARS
        or not token.isascii()
        or not token.decode("ascii").isprintable()
        or b" " in token
    ):
        raise TokenError(
            f"{path}: holds no token of at least {MIN_CHARS} letters, digits and signs\n"
            f"hint: rm {path} and start again, then a random one is made"
        )
    return token
