/** What can be told of a link from outside. Names are for judging only: they never leave this file. */
export interface LinkSigns {
  /** Name of the network interface. */
  readonly name: string
  readonly kind?: 'wifi' | 'modem' | 'bluetooth' | undefined
  /** The kernel's driver. */
  readonly driver?: string | undefined
  /** IPv4 address of the router. */
  readonly gateway?: string | undefined
  readonly ssid?: string | undefined
}

const gateways: readonly RegExp[] = [
  // iOS: 172.20.10.0/28, itself the router. Apple writes that nowhere; routing tables taken behind iPhones show it,
  // such as the one in github.com/sshuttle/sshuttle/issues/864.
  /^172\.20\.10\.1$/,
  // Android until 10: WIFI_HOST_IFACE_ADDR, and Wi-Fi Direct: WIFI_P2P_IFACE_ADDR (AOSP, android.net.ip.IpServer).
  // Later ones choose at random; vendors kept 43.
  /^192\.168\.(43|49)\.\d+$/,
  // Android by USB until 10: USB_NEAR_IFACE_ADDR (same file).
  /^192\.168\.42\.129$/,
]

// `ww…`: systemd.net-naming-scheme(7), "WWAN". `wwan0`: drivers/net/wwan of Linux. `rmnet`: Qualcomm’s modems.
// `pdp_ip0`: cellular on Apple’s systems. `ppp0`: pppd(8), whose lines are modems; NetworkManager names a DSL line by its wire.
const modemNames = /^(ww(an|p|x|s)\w*|rmnet\w*|pdp_ip\d+|ppp\d+)$/

/** Modems: drivers/net/usb and drivers/net/wwan of Linux. */
const modemDrivers = new Set([
  'qmi_wwan', 'cdc_mbim', 'huawei_cdc_ncm', 'sierra_net', 'hso', 'iosm', 'mtk_t7xx', 'mhi_wwan_mbim',
])

// Phones by USB: RNDIS (Android, gadget rndis), NCM (Android 14 on, gadget ncm), iPhone (drivers/net/usb/ipheth.c).
// Some docking stations are NCM too and are then taken for a phone: an error that costs time, not money.
const tetherDrivers = new Set(['rndis_host', 'cdc_ncm', 'ipheth'])

// iOS: the device’s name, "Ann’s iPhone" (support.apple.com/HT204023). AndroidAP: AOSP,
// wifi_tether_configure_ssid_default; AndroidShare: the same in vendors’ builds. MiFi: mobile routers. The rest is what
// people write themselves.
const ssidWords = /iphone|ipad|androidap|androidshare|hotspot|mifi|tether/i

/**
 * Why a link looks like a phone’s or a modem’s, in words without names; undefined when it does not. An error here costs
 * the person patience, a missed phone costs money: so one sign is enough, whatever the system says.
 */
export function hotspotSign({ name, kind, driver, gateway, ssid }: LinkSigns): string | undefined {
  const isOneOf = (drivers: ReadonlySet<string>) => driver !== undefined && drivers.has(driver)
  if (kind === 'modem' || modemNames.test(name) || isOneOf(modemDrivers)) return 'mobile network'
  if (kind === 'bluetooth' || name.startsWith('bnep')) return 'phone by Bluetooth'
  if (isOneOf(tetherDrivers)) return 'phone by USB'
  if (gateway !== undefined && gateways.some((pattern) => pattern.test(gateway))) return 'phone hotspot'
  if (ssid !== undefined && ssidWords.test(ssid)) return 'phone hotspot'
  return undefined
}
