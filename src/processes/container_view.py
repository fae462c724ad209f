"""A container's view of the files of this machine, in a mount namespace of the program's own.

Inside, /opt/ml is a folder of the program's; /etc, /opt and /root are its own: what the machine has there can
be read, small files are copies that may be changed, and nothing that is written there reaches the machine.
Nothing is mounted, made or changed outside. An ordinary user gets a user namespace, too, and is root in it,
as in an image.

    python -I -S container_view.py FD FOLDER NAMES KEPT ... -- PROGRAM ARGUMENT ...   # by ContainerView.start

System calls and not `unshare` and `mount` of util-linux: a fork of `processes.warm` can make them as well,
and a program that cannot be started is the OSError that it is without a view. Few imports: they are part of
every start.

Source: Linux manual pages mount_namespaces(7), user_namespaces(7), mount(2), mount_setattr(2).
"""

import ctypes
import errno
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

ROOT = "/opt/ml"
OWN_FOLDERS = ("/etc", "/opt", "/root")
_MAX_COPIED_BYTES = 64 << 10
_CLONE_NEWNS, _CLONE_NEWUSER = 0x0002_0000, 0x1000_0000
_MS_NOSUID, _MS_NODEV, _MS_REC, _MS_PRIVATE = 0x2, 0x4, 0x4000, 0x4_0000
# The same on every processor. Linux has the last one since 5.12, the C library has names for them since 2.36.
_SYS_OPEN_TREE, _SYS_MOVE_MOUNT, _SYS_MOUNT_SETATTR = 428, 429, 442
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH, _MOUNT_ATTR_RDONLY = 1, 4, 1


class ContainerView:
    """What a program finds in place of this machine's files.

    Args:
        folder: Its /opt/ml.
        kept: Absolute folders that are the machine's own also where they lie below /etc, /opt or /root.
        host_names: Names that its /etc/hosts adds, all of 127.0.0.1.
    """

    def __init__(
        self,
        folder: "os.PathLike[str] | str",
        *,
        kept: "Sequence[os.PathLike[str] | str]" = (),
        host_names: Sequence[str] = (),
    ) -> None:
        self.folder = os.fspath(folder)
        self.kept = [os.fspath(path) for path in kept]
        self.host_names = list(host_names)

    def start(self, command: Sequence[str], **settings: Any) -> "subprocess.Popen[bytes]":
        """Start a program in the view, in /opt/ml.

        Args:
            command: Program and arguments.
            settings: Of subprocess.Popen, all but the working folder.

        Raises:
            OSError: It cannot be started, or this machine does not let its user make the view.
        """
        import subprocess

        if sys.platform != "linux":
            raise OSError(errno.ENOSYS, "only Linux has mount namespaces")
        reader, writer = os.pipe()
        words = [str(writer), self.folder, ",".join(self.host_names), *self.kept, "--", *command]
        with open(reader, encoding="utf-8") as report:
            try:
                process = subprocess.Popen(
                    [sys.executable, "-I", "-S", __file__, *words], pass_fds=[writer], **settings
                )
            finally:
                os.close(writer)
            error = report.read()  # nothing: exec has closed the other end
        if error:
            process.wait()
            if process.stdout:
                process.stdout.close()
            number, _, text = error.partition(" ")
            raise OSError(int(number), text)
        return process

    def enter(self) -> None:
        """Give this process, which has one thread, the view, and make /opt/ml its working folder.

        Raises:
            OSError: This machine does not let its user do that; what is done by then stays.
        """
        _unshare()
        _mount(None, "/", _MS_REC | _MS_PRIVATE)
        covered = tuple(f"{folder}/" for folder in OWN_FOLDERS)
        kept = [path for path in self.kept if path.startswith(covered)]
        # Taken before what they lie in is covered.
        trees = {path: _take(source) for path, source in ((ROOT, self.folder), *zip(kept, kept, strict=True))}
        for folder in filter(os.path.isdir, OWN_FOLDERS):
            _cover(folder)
        os.mkdir(ROOT)
        for path, tree in trees.items():
            _attach(tree, path)
        if self.host_names:
            with open("/etc/hosts", "a", encoding="utf-8") as file:
                file.write(f"\n127.0.0.1 {' '.join(self.host_names)}\n")
        os.chdir(ROOT)


def _unshare() -> None:
    """Leave the machine's mounts: as root at once, else with a user namespace whose root this user is."""
    uid, gid = os.geteuid(), os.getegid()
    if _libc().unshare(_CLONE_NEWNS) == 0:
        return
    _check(_libc().unshare(_CLONE_NEWUSER | _CLONE_NEWNS), "a user namespace")
    # tar gives files back to who packed them when root unpacks them; here there is nobody else.
    os.environ.setdefault("TAR_OPTIONS", "--no-same-owner")
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        path = f"/proc/self/{name}"
        try:
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror} ({path})") from None


def _cover(folder: str) -> None:
    """Put a folder in memory over one of the machine's, with what that one holds but /opt/ml.

    Small files are copies, everything else can only be read. All is taken before the folder is covered: to
    unmount something at the end waits for every core, 36 to 52 ms for the three on a busy machine.
    """
    mode = os.stat(folder).st_mode & 0o777
    try:
        entries = [entry for entry in os.scandir(folder) if entry.path != ROOT]
    except PermissionError:  # root's, of an ordinary user
        entries = []
    links = {entry.path: os.readlink(entry.path) for entry in entries if entry.is_symlink()}
    files = {entry: content for entry in entries if (content := _content(entry)) is not None}
    rest = [entry for entry in entries if entry.path not in links and entry not in files]
    trees = {entry: _take(entry.path, read_only=True) for entry in rest}
    _mount("tmpfs", folder, _MS_NOSUID | _MS_NODEV, kind="tmpfs", data=f"mode={mode:o}")
    for path, target in links.items():
        os.symlink(target, path)
    for entry, content in files.items():
        with open(entry.path, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), entry.stat().st_mode & 0o777)
    for entry, tree in trees.items():
        if entry.is_dir():
            os.mkdir(entry.path)
        else:
            os.close(os.open(entry.path, os.O_CREAT | os.O_WRONLY))
        _attach(tree, entry.path)


def _content(entry: "os.DirEntry[str]") -> bytes | None:
    """Return what is in a small file; None when it is none, or this user cannot read it."""
    is_small = entry.is_file(follow_symlinks=False) and entry.stat().st_size <= _MAX_COPIED_BYTES
    if not is_small:
        return None
    try:
        with open(entry.path, "rb") as file:
            return file.read()
    except PermissionError:
        return None


class _MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "user_namespace")]


def _take(path: str, *, read_only: bool = False) -> int:
    """Return a descriptor of a folder with all that is mounted in it, to be attached elsewhere."""
    flags = _OPEN_TREE_CLONE | _AT_RECURSIVE | os.O_CLOEXEC
    tree = _call(_SYS_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags, what=f"open_tree {path}")
    if read_only:
        given = _MountAttributes(set=_MOUNT_ATTR_RDONLY)
        where = tree, b"", _AT_EMPTY_PATH | _AT_RECURSIVE
        _call(_SYS_MOUNT_SETATTR, *where, ctypes.byref(given), ctypes.sizeof(given), what="mount_setattr")
    return tree


def _attach(tree: int, path: str) -> None:
    where = _AT_FDCWD, os.fsencode(path)
    _call(_SYS_MOVE_MOUNT, tree, b"", *where, _MOVE_MOUNT_F_EMPTY_PATH, what=f"move_mount {path}")
    os.close(tree)


def _call(number: int, *arguments: Any, what: str) -> int:
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in (number, *arguments)]
    return _check(_libc().syscall(*words), what)


def _mount(source: str | None, target: str, flags: int, *, kind: str | None = None, data: str = "") -> None:
    words = [word if word is None else os.fsencode(word) for word in (source, target, kind)]
    result = _libc().mount(*words, ctypes.c_ulong(flags), os.fsencode(data))
    _check(result, f"mount {target}")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{os.strerror(number)} ({what})")
    return result


def _run(report: int, folder: str, names: str, *rest: str) -> None:
    """Become a program in a view, or write to a descriptor why that is not possible."""
    os.set_inheritable(report, False)
    end_of_kept = rest.index("--")
    command = rest[end_of_kept + 1 :]
    view = ContainerView(folder, kept=rest[:end_of_kept], host_names=names.split(",") if names else ())
    try:
        view.enter()
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and so would the program
            signal.signal(number, signal.SIG_DFL)
        with open("/proc/self/environ", "rb") as file:
            if b"\0LC_CTYPE=" not in b"\0" + file.read():  # Python's own, where the locale is C
                os.environ.pop("LC_CTYPE", None)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(report, f"{error.errno} {error.strerror}".encode())
        os._exit(127)


if __name__ == "__main__":
    _run(int(sys.argv[1]), *sys.argv[2:])
