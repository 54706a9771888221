#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# silent_files.py TARGET FILE FLAG: mounts a file system (FUSE) in whose root FILE is, and which answers nobody as long as FLAG is there: as
# one of a server that has gone. It ends, and the mount with it, when it is killed.
import ctypes, errno, os, select, struct, sys

target, file, flag = sys.argv[1:4]
name, content = os.path.basename(file).encode(), open(file, "rb").read()
LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, INTERRUPT, BATCH_FORGET = (
    1, 2, 3, 14, 15, 17, 18, 25, 26, 27, 28, 29, 36, 42)
ROOT, FILE = 1, 2


def attributes(node):
    mode, size = (0o40755, 0) if node == ROOT else (0o100755, len(content))
    return struct.pack("<6Q10I", node, size, 1, 1, 1, 1, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


# What is told about nothing lasts: each look asks again.
def answer(code, node, words):
    if code == INIT:
        return struct.pack("<IIIIHHIIHHI28x", 7, 31, 65536, 0, 8, 8, 65536, 1, 1, 0, 0)
    if code == LOOKUP and words == name + b"\0":
        return struct.pack("<4Q2I", FILE, 0, 0, 0, 0, 0) + attributes(FILE)
    if code == LOOKUP:
        return errno.ENOENT
    if code == GETATTR:
        return struct.pack("<QII", 0, 0, 0) + attributes(node)
    if code in (OPEN, OPENDIR):
        return struct.pack("<QII", 0, 0, 0)
    if code == READ:
        offset, size = struct.unpack_from("<QI", words, 8)
        return content[offset:offset + size]
    if code == STATFS:
        return struct.pack("<5Q4I24x", 1000, 500, 500, 10, 10, 4096, 255, 4096, 0)
    return b"" if code in (RELEASE, FLUSH, RELEASEDIR, READDIR) else errno.ENOSYS


fuse = os.open("/dev/fuse", os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
options = b"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions" % fuse
if libc.mount(b"far", target.encode(), b"fuse", 0, options):
    sys.exit("mount: " + os.strerror(ctypes.get_errno()))
while True:
    if not select.select([fuse], [], [], 0.1)[0] or os.path.exists(flag):
        select.select([], [], [], 0.02)
        continue
    try:
        request = os.read(fuse, 1 << 18)
    except OSError as e:
        if e.errno == errno.ENODEV:  # unmounted
            sys.exit(0)
        continue
    length, code, unique, node = struct.unpack_from("<IIQQ", request)
    if code in (FORGET, BATCH_FORGET, INTERRUPT):
        continue
    said = answer(code, node, request[40:])
    error, text = (-said, b"") if isinstance(said, int) else (0, said)
    try:
        os.write(fuse, struct.pack("<IiQ", 16 + len(text), error, unique) + text)
    except OSError:  # whoever asked has gone
        pass
