"""Short names that MicroPython has in ROM for a use of its own: to be called so costs a board no memory.

They are those of at most nine letters that the official images for the ESP32 of 1.23 and 1.24 both have (its tables of
interned strings, and those of the modules frozen into it), but for what exceptions mean by `args`, `errno` and
`value`, and for `const`, which is the compiler's. A name that another image has not costs what a name costs, and
nothing else.
"""

_NAMES = """
    D E d e f i n r s t v w y IN LS RC RX TX aw cb cd cl cp cs dt er gc id io ls mv on os ow pi pm py rb re rm rx sd
    sz tb tx wb wp ws ADC BLE CTS DAC EIO GET GS8 I2C I2S INT IRQ LAN LSB MSB Man NVS OUT PPP PTR PUT PWD PWM Pin
    RAW RMT RTC RTS SPI ULP WDT abs add aes all any arg bin bpp buf cat chr cos cts dir doc end erf esp exc exp get
    hex idx inf int irq key len lmk log mac man map max md5 mdc mem min mpy msg mtu nan oct off ord pid pin pop pow
    ps1 ps2 ptr put pwd pyb qos raw req res rom rts run rwb sck scl sda sep seq set sin spi src ssl str sub sum sys
    tan tau tls url val vfs zip AUTO BASE BOOT DESC Done GZIP HEAD Host INCL INT8 LONG Lock Loop MONO PASS POST Task
    UART UINT UUID VOID WLAN ZLIB acos addr argv asin atan attr auth bdev bind bits blit bond bool ceil cert code
    copy core coro cosh crc8 data deps dest dict diff done dump duty erfc eval exec exit fabs feed ffat file fill
    find flow fmod freq hash head help hold host ibuf idle imag info init iter join json keys line list load lock
    log2 loop math mdio mem8 miso mitm mkfs mode modf mosi name next open pack path peek ping pins poll poly port
    post pswd ptr8 pull push rate read real rect recv repr rssi scan seed seek send sgen sha1 sinh slot sock sort
    sqrt ssid stat step stop sync tanh task tell text time type uint urls user usys wait wake AP_IF ARRAY CLEAR
    DEBUG DELAY DHT11 DHT22 EBADF EPERM Error Event IF_AP INT16 INT32 INT64 MVLSB ORDER PATCH SHORT SLEEP Timer
    UINT8 ULONG acosh arecv array ascii asend asinh atan2 atanh atten block bssid btree bytes chdir clear close
    cmath count crc32 delay deque drain drive dumps esp32 essid event expm1 flags float floor flush fname
    frexp funcs gamma group heapq hline ifidx index input ioctl ipoll irecv isinf isnan items l_rom label ldexp
    level loads log10 lower match mem16 mem32 mkdir mount mtime patch phase pixel polar power print ptr16 ptr32
    range reset rfind rmdir round rxbuf setup shift sleep slice split start state stats stdin strip super throw
    ticks topic trunc tuple txbuf uname union upper viper vline width write APA106 Alloca BFINT8 BF_LEN BF_POS
    CONFIG Cp0Dis Cp1Dis Cp2Dis Cp3Dis Cp4Dis Cp5Dis Cp6Dis Cp7Dis DELETE EACCES EAGAIN EEXIST EINVAL EISDIR ENODEV
    ENOENT ENOMEM ESPNow FileIO IF_STA INV_RX INV_TX IOBase NATIVE POLLIN RGB565 SDCard STA_IF STEREO Server Signal
    Stream UINT16 UINT32 UINT64 USHORT VfsFat accept aclose action active airecv append awrite branch buffer cadata
    cafile cancel center choice cipher commit config decode deinit delete digest divmod enable encode espnow exists
    extend fileno filter format future gather getcwd getter gmtime hashes hidden ifname insert invert is_set latest
    lgamma listen little locals locked lstrip lw_msg lw_qos memory method mktime modify module native object parity
    period ph_key poller prompt random reason remove rename retain rindex rsplit rstrip scroll search select sendto
    server setter sha256 simple single sizeof socket sorted status stderr stdout stream struct target timing txdone
    umount unlink unpack update values waiter AF_INET BFINT16 BFINT32 BFUINT8 BytesIO DHTBase DRIVE_0 DRIVE_1
    DRIVE_2 DRIVE_3 DS18X20 ENOBUFS FLOAT32 FLOAT64 INV_CTS INV_RTS IOQueue KEY_LEN MODE_LR OSError OneWire PCValue
    PM_NONE POLLERR POLLHUP POLLOUT PULL_UP RUNNING SEC_OWE SEC_WEP SEC_WPA SoftI2C SoftSPI Syscall VfsLfs2 abs_tol
    acquire asyncio backlog channel choices closure collect compile complex connect content context country decrypt
    default deflate degrees delattr deleter disable discard dupterm duty_ns ellipse enabled encrypt fromhex get_i32
    getattr getpass globals handler hasattr hashlib headers heapify heappop hexlify indices install isalpha isclose
    isdigit islower isspace isupper keyfile listdir machine maxsize measure memaddr message modules network newfile
    newline onewire osdebug out_buf package popitem popleft publish pyboard radians randint read_uv readbit ref_clk
    rel_tol release replace request reverse sendall set_i32 set_pmk setattr settime statvfs subtype sysname tick_hz
    time_ns timeout trigger txpower uctypes uniform urandom version waiting webrepl writeto ADCBlock ADDR_LEN
    AF_INET6 ATTN_0DB ATTN_6DB AUTH_MAX AUTH_OWE AUTH_PAP AUTH_WEP BFUINT16 BFUINT32 EALREADY ENOTCONN EOFError
    Ellipsis GS2_HMSB GS4_HMSB KeyError LOG_INFO LOG_NONE LONGLONG LockType MODE_11B MODE_11G MODE_11N NeoPixel
    NoneType ONE_SHOT PERIODIC PIN_WAKE Response SEC_OPEN SEC_WAPI SEC_WPA2 SEC_WPA3 SKIP_ROM SOCK_RAW StringIO
    TYPE_APP TouchPad ULP_WAKE WAKE_LOW add_peer addrsize adv_data attempts authmode baudrate binascii builtins
    bytecode bytes_at calcsize callable callback certfile client_s copysign cur_task datetime del_peer disabled
    duty_u16 encoding endswith exc_type execfile firstbit framebuf fromkeys function gap_name gap_pair gap_scan
    get_blob get_peer getvalue heappush hostname humidity ifconfig ilistdir inisetup isfinite issubset iterable
    iterator kbd_intr keepends libc_ver listen_s lw_topic makefile mem_free mem_info mod_peer neopixel nodename
    pagesize password peername phy_addr phy_mode phy_type platform polarity progsize property protocol read_u16
    readbyte readfrom readinto readline readonly readsize recvfrom recvinto register rejected requests required
    reversed runq_len schedule security set_blob set_boot sleep_ms sleep_us stations ticks_ms ticks_us to_bytes
    username wait_for wait_msg writebit writevto AIOESPNow ATTN_11DB AUTH_CHAP AUTH_NONE AUTH_OPEN CERT_NONE
    DEEPSLEEP DeflateIO ETIMEDOUT EXT0_WAKE EXT1_WAKE Exception FLAG_READ HEAP_DATA HEAP_EXEC LOG_DEBUG LOG_ERROR
    MATCH_ROM MONO_HLSB MONO_HMSB MONO_VLSB NameError PHY_IP101 PHY_W5500 PULL_DOWN PULSE_MAX Partition SSLSocket
    STAT_IDLE TYPE_DATA TaskQueue TypeError ULONGLONG WAKE_HIGH WDT_RESET addr_mode addressof awritestr bitstream
    bluetooth buffering bytearray byteorder cachesize cert_reqs check_msg client_id clock_div cryptolib deepsleep
    dict_view enumerate erase_key errorcode exception factorial fill_rect flashbdev frozenset generator get_ident
    get_peers heap_lock isenabled keepalive le_secure localtime lookahead lw_retain main_task mem_alloc opt_level
    pack_into partition qstr_info randrange read_temp readlines reconnect recursive resp_data send_html sendbreak
    stack_use subscribe threshold ticks_add ticks_cpu unhexlify unique_id wait_done waitq_len websocket writebyte
"""
IN_ROM = tuple(_NAMES.split())
