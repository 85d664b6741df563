"""Calls of all four kinds, there and back, as gRPC's own library makes and serves them."""

import base64
import json
import threading
import time
import unittest
from concurrent import futures

import grpc

from dev import SOON, Dev

MANIFEST = """
apiVersion: endpoints.dev/v1alpha1
kind: EndpointsService
metadata: {name: echo}
spec:
  openapi:
    inline: |
      swagger: "2.0"
      info: {title: Echo, version: "1"}
      host: echo.example.com
      securityDefinitions:
        issuer: {type: oauth2, flow: implicit, authorizationUrl: "", x-google-issuer: "https://issuer.example", x-google-jwks_uri: "https://issuer.example/keys"}
      paths:
        /echo.Echo/Unary: {post: {security: [], responses: {200: {description: ok}}}}
        /echo.Echo/Download: {post: {security: [], responses: {200: {description: ok}}}}
        /echo.Echo/Upload: {post: {security: [], responses: {200: {description: ok}}}}
        /echo.Echo/Chat: {post: {security: [], responses: {200: {description: ok}}}}
        /echo.Echo/Metadata: {post: {security: [], responses: {200: {description: ok}}}}
        /echo.Echo/Fail: {post: {security: [], responses: {200: {description: ok}}}}
        /echo.Echo/Hang: {post: {security: [], responses: {200: {description: ok}}}}
        /echo.Echo/Private: {post: {security: [{issuer: []}], responses: {200: {description: ok}}}}
        /echo.Echo/PrivateChat: {post: {security: [{issuer: []}], responses: {200: {description: ok}}}}
"""

UNBOUNDED = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]


class Service:
    """What stands behind the proxy."""

    def __init__(self):
        self.port = 0
        self.hanging = threading.Semaphore(0)
        self.left = threading.Semaphore(0)
        self.time_remaining = None
        self._server = None

    def start(self):
        """On the port it had before, if it had one."""
        self._server = grpc.server(futures.ThreadPoolExecutor(64), options=UNBOUNDED)
        kinds = {
            "Unary": grpc.unary_unary_rpc_method_handler(lambda message, _: message),
            "Private": grpc.unary_unary_rpc_method_handler(self._metadata),
            "Metadata": grpc.unary_unary_rpc_method_handler(self._metadata),
            "Fail": grpc.unary_unary_rpc_method_handler(self._fail),
            "Download": grpc.unary_stream_rpc_method_handler(self._download),
            "Hang": grpc.unary_stream_rpc_method_handler(self._hang),
            "Upload": grpc.stream_unary_rpc_method_handler(
                lambda messages, _: str(sum(map(len, messages))).encode()
            ),
            "Chat": grpc.stream_stream_rpc_method_handler(lambda messages, _: messages),
            "PrivateChat": grpc.stream_stream_rpc_method_handler(lambda messages, _: messages),
        }
        handler = grpc.method_handlers_generic_handler("echo.Echo", kinds)
        self._server.add_generic_rpc_handlers((handler,))
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop(self):
        self._server.stop(None).wait(SOON)

    @staticmethod
    def _metadata(_, context):
        context.send_initial_metadata((("first", "1"), ("first-bin", b"\0\xff")))
        context.set_trailing_metadata((("last", "2"), ("last-bin", b"\xfe\1")))
        said = {
            key: value if isinstance(value, str) else value.hex()
            for key, value in context.invocation_metadata()
        }
        return json.dumps(said).encode()

    @staticmethod
    def _fail(_, context):
        context.set_trailing_metadata((("why", "told"),))
        context.abort(grpc.StatusCode.NOT_FOUND, "no such shelf: 50 % – ça alors")

    @staticmethod
    def _download(message, _):
        for number in range(int(message)):
            yield str(number).encode()

    def _hang(self, _, context):
        self.time_remaining = context.time_remaining()
        context.add_callback(self.left.release)
        yield b"begun"
        self.hanging.release()
        while context.is_active():
            time.sleep(0.02)


class Calls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service()
        cls.service.start()
        backend = f"grpc://127.0.0.1:{cls.service.port}"
        cls.proxy = Dev(MANIFEST, backend, "--issuers", "embedded")
        cls.channel = cls.connect()

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        cls.proxy.stop()
        cls.service.stop()

    @classmethod
    def connect(cls, **more):
        # A proxy of the environment is not the one that is tested.
        options = [*UNBOUNDED, ("grpc.enable_http_proxy", 0)]
        return grpc.insecure_channel(f"127.0.0.1:{cls.proxy.port}", options=options, **more)

    def unary(self, method, message=b"", **more):
        call = self.channel.unary_unary(f"/echo.Echo/{method}")
        return call.with_call(message, timeout=more.pop("timeout", SOON), **more)

    def refused(self, method, **more):
        with self.assertRaises(grpc.RpcError) as raised:
            self.unary(method, **more)
        return raised.exception

    # === four kinds ===

    def test_unary(self):
        self.assertEqual(self.unary("Unary", b"hello")[0], b"hello")
        self.assertEqual(self.unary("Unary", b"")[0], b"")

    def test_server_streaming(self):
        call = self.channel.unary_stream("/echo.Echo/Download")
        came = list(call(b"2000", timeout=SOON))
        self.assertEqual(came, [str(number).encode() for number in range(2000)])

    def test_client_streaming(self):
        call = self.channel.stream_unary("/echo.Echo/Upload")
        messages = (b"x" * number for number in range(2000))
        self.assertEqual(call(messages, timeout=SOON), str(sum(range(2000))).encode())

    def test_bidirectional_streaming_message_by_message(self):
        self.chat("Chat", None)

    def chat(self, method, metadata):
        came = threading.Semaphore(0)

        def messages():
            for number in range(200):
                yield str(number).encode()
                # The next one only when this one has come back.
                self.assertTrue(came.acquire(timeout=SOON))

        call = self.channel.stream_stream(f"/echo.Echo/{method}")
        echoed = []
        for message in call(messages(), timeout=SOON, metadata=metadata):
            echoed.append(int(message))
            came.release()
        self.assertEqual(echoed, list(range(200)))

    def test_many_calls_at_once(self):
        call = self.channel.unary_unary("/echo.Echo/Unary")
        calls = [call.future(str(number).encode(), timeout=SOON) for number in range(500)]
        self.assertEqual(
            [call.result() for call in calls], [str(number).encode() for number in range(500)]
        )

    # === what they carry ===

    def test_messages_of_any_size(self):
        for size in (1, 16_383, 16_384, 65_535, 1 << 20, 5 << 20):
            message = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
            self.assertEqual(self.unary("Unary", message)[0], message, size)

    def test_large_messages_in_a_stream(self):
        call = self.channel.stream_stream("/echo.Echo/Chat")
        messages = [bytes([number]) * (1 << 20) for number in range(16)]
        self.assertEqual(list(call(iter(messages), timeout=SOON)), messages)

    def test_compressed_messages(self):
        with self.connect(compression=grpc.Compression.Gzip) as channel:
            call = channel.unary_unary("/echo.Echo/Unary")
            self.assertEqual(call(b"x" * 100_000, timeout=SOON), b"x" * 100_000)

    def test_metadata_both_ways(self):
        metadata = (("mine", "1"), ("mine-bin", b"\0\1\xff"), ("several", "a"), ("several", "b"))
        answer, call = self.unary("Metadata", metadata=metadata)
        said = json.loads(answer)
        self.assertEqual((said["mine"], said["mine-bin"]), ("1", "0001ff"))
        first, last = dict(call.initial_metadata()), dict(call.trailing_metadata())
        self.assertEqual((first["first"], first["first-bin"]), ("1", b"\0\xff"))
        self.assertEqual((last["last"], last["last-bin"]), ("2", b"\xfe\1"))

    def test_a_status_with_its_details_and_trailers(self):
        error = self.refused("Fail")
        self.assertEqual(error.code(), grpc.StatusCode.NOT_FOUND)
        self.assertEqual(error.details(), "no such shelf: 50 % – ça alors")
        self.assertEqual(dict(error.trailing_metadata())["why"], "told")

    # === how they end early ===

    def hang(self, **more):
        call = self.channel.unary_stream("/echo.Echo/Hang")(b"", **more)
        self.assertEqual(next(call), b"begun")
        self.assertTrue(self.service.hanging.acquire(timeout=SOON))
        return call

    def test_a_deadline_is_told_to_the_server(self):
        call = self.hang(timeout=2)
        # gRPC rounds what it sends.
        self.assertLess(self.service.time_remaining, 5)
        with self.assertRaises(grpc.RpcError) as raised:
            next(call)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        self.assertTrue(self.service.left.acquire(timeout=SOON))

    def test_a_cancelled_call_is_cancelled_at_the_server(self):
        call = self.hang()
        call.cancel()
        self.assertTrue(self.service.left.acquire(timeout=SOON))
        self.assertEqual(call.code(), grpc.StatusCode.CANCELLED)

    def test_a_client_that_is_gone_is_gone_for_the_server(self):
        channel = self.connect()
        call = channel.unary_stream("/echo.Echo/Hang")(b"")
        self.assertEqual(next(call), b"begun")
        self.assertTrue(self.service.hanging.acquire(timeout=SOON))
        channel.close()
        self.assertTrue(self.service.left.acquire(timeout=SOON))

    def test_a_server_that_restarts_is_found_again(self):
        call = self.hang()
        self.service.stop()
        with self.assertRaises(grpc.RpcError) as raised:
            next(call)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.UNAVAILABLE)
        self.assertTrue(self.service.left.acquire(timeout=SOON))
        self.assertEqual(self.refused("Unary").code(), grpc.StatusCode.UNAVAILABLE)
        self.service.start()
        # The client's connection was the proxy's, and lasted.
        self.assertEqual(self.unary("Unary", b"back")[0], b"back")

    # === the proxy's own word ===

    def test_a_call_without_a_token_is_unauthenticated(self):
        error = self.refused("Private")
        self.assertEqual(error.code(), grpc.StatusCode.UNAUTHENTICATED)
        self.assertEqual(error.details(), "Jwt is missing")
        error = self.refused("Private", metadata=(("authorization", "Bearer a.b.c"),))
        self.assertEqual(error.code(), grpc.StatusCode.UNAUTHENTICATED)
        call = self.channel.stream_stream("/echo.Echo/PrivateChat")
        with self.assertRaises(grpc.RpcError) as raised:
            list(call(iter([b"x"] * 10), timeout=SOON))
        self.assertEqual(raised.exception.code(), grpc.StatusCode.UNAUTHENTICATED)

    def test_a_call_with_a_token_passes_and_the_server_learns_whose(self):
        token = next(iter(self.proxy.tokens().values()))
        metadata = (("authorization", f"Bearer {token}"),)
        said = json.loads(self.unary("Private", metadata=metadata)[0])
        claims = said["x-endpoint-api-userinfo"]
        claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        self.assertEqual(claims["iss"], "https://issuer.example")
        self.chat("PrivateChat", metadata)

    def test_what_a_client_says_of_itself_is_not_believed(self):
        metadata = (("x-endpoint-api-userinfo", "e30"),)
        said = json.loads(self.unary("Metadata", metadata=metadata)[0])
        self.assertNotIn("x-endpoint-api-userinfo", said)

    def test_an_unknown_method_is_unimplemented(self):
        error = self.refused("Nothing")
        self.assertEqual(error.code(), grpc.StatusCode.UNIMPLEMENTED)
        self.assertEqual(
            error.details(), "The current request is not defined by this API."
        )


if __name__ == "__main__":
    unittest.main()
