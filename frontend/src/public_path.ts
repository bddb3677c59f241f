/**
 * Tells the bundle where its lazily loaded parts lie.
 *
 * The path is read from the address that this module was loaded from: a Grafana behind a sub-path
 * or a content delivery network serves plugins from somewhere else than `public/plugins/`.
 */
import amdModule from 'amd-module';

const address = amdModule?.uri ?? '';

__webpack_public_path__ = address
  ? address.slice(0, address.lastIndexOf('/') + 1)
  : 'public/plugins/headwater-metrics-datasource/';
