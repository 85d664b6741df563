// The policies that the pages try.

const OPERATION = '{responses: {200: {description: ok}}}';
const CLOSED = '{security: [{issuer: []}], responses: {200: {description: ok}}}';

/** A manifest; `cors`: the resource's, `endpoint`: of the document, `paths`: more of them. */
export function manifest({ cors = '', endpoint = '', paths = '' }) {
  const open = ['/login', '/me', '/cached', '/moved', '/elsewhere', '/fails', '/broken', '/events', '/stream', '/socket'];
  return `
apiVersion: endpoints.dev/v1alpha1
kind: EndpointsService
metadata: {name: books, namespace: shop}
spec:
  openapi:
    inline: |
      swagger: "2.0"
      info: {title: Books, version: "1"}
      host: books.example.com
      ${endpoint}
      securityDefinitions:
        issuer: {type: oauth2, flow: implicit, authorizationUrl: "", x-google-issuer: "https://issuer.example", x-google-jwks_uri: "https://issuer.example/keys"}
      paths:
        /open: {get: ${OPERATION}, post: ${OPERATION}, put: ${OPERATION}}
        /closed: {get: ${CLOSED}, put: ${CLOSED}}
        /own: {get: ${OPERATION}, put: ${CLOSED}}
        /late: {get: {x-google-backend: {deadline: 0.3}, responses: {200: {description: ok}}}}
${open.map((path) => `        ${path}: {get: ${OPERATION}}`).join('\n')}
${paths}
  ${cors}
`;
}
